import { Cursor } from "./cursor.ts";
import { GLOBALS } from "./globals.ts";
import { type Budget, PickleStack } from "./pickle_stack.ts";
import type { Source } from "./source.ts";
import { type Bytes, is, type Storage, type Value } from "./values.ts";

export interface PickleHost {
  /** What a persistent id stands for; without it, there may be none. */
  persistent?(id: Value): Storage;
  /** The storage in bytes that are a file of their own, as EDM's pickles hold them. */
  nested?(bytes: Bytes, budget: Budget): Promise<Value>;
  /** Shared with the pickle around this one. */
  budget?: Budget;
}

const MAX_STRING = 1 << 24;
const MAX_LINE = 500;

/**
 * Reads one pickle as data: a stack machine that knows the opcodes of protocols 2 to 4 and calls nothing. Names that it
 * imports stay names; what they would be called with becomes plain data for those of an allow-list (`globals.ts`), and an
 * opaque record for all others. Memory is counted before it is taken. Returns where the pickle ends, too.
 */
export async function unpickle(source: Source, at = 0, host: PickleHost = {}): Promise<{ value: Value; end: number }> {
  const cursor = new Cursor(source, at);
  const stack: PickleStack = new PickleStack(cursor, host.budget);
  const nested = new Map<Bytes, Value>();
  const string = async (n: number, encoding: "utf8" | "latin1" = "utf8"): Promise<void> => {
    if (n > MAX_STRING || n > cursor.left) stack.fail(`a string of ${n} bytes`);
    await cursor.need(n);
    stack.push(cursor.text(n, encoding), 32 + 2 * n);
  };
  const bytes = (n: number): void => stack.push({ kind: "bytes", data: cursor.skip(n) }, 96);
  const reduce = async (): Promise<void> => {
    const args = stack.pop();
    const callee = stack.pop();
    if (!is(callee, "global")) stack.fail("it calls what is no name");
    if (!Array.isArray(args)) stack.fail("it calls with what are no arguments");
    if (callee.name === "torch.storage._load_from_bytes") {
      const file = args[0];
      if (!is(file, "bytes") || !host.nested) stack.fail("a file within a file within a file");
      if (!nested.has(file)) nested.set(file, await host.nested(file, stack.budget));
      return stack.push(nested.get(file) as Value, 64);
    }
    const known = GLOBALS[callee.name];
    stack.push(known ? known(args, stack) : { kind: "opaque", of: callee.name, args, state: null }, 96);
  };

  for (;;) {
    if (!cursor.has(1024)) await cursor.need(1024);
    const code = cursor.u8();
    switch (code) {
      case 0x80: // PROTO
        if (cursor.u8() > 5) stack.fail("its protocol is newer than 5");
        break;
      case 0x95: // FRAME
        if (cursor.u64() > cursor.left) stack.fail("a frame longer than the file; is it truncated?");
        break;
      case 0x2e: // STOP
        return { value: stack.last(), end: cursor.at };
      case 0x28: // MARK
        stack.mark();
        break;
      case 0x30: // POP
        stack.pop();
        break;
      case 0x31: // POP_MARK
        stack.popMark();
        break;
      case 0x32: // DUP
        stack.push(stack.top());
        break;
      case 0x7d: // EMPTY_DICT
        stack.push(new Map(), 220);
        break;
      case 0x5d: // EMPTY_LIST
        stack.push([], 40);
        break;
      case 0x29: // EMPTY_TUPLE
        stack.push([], 40);
        break;
      case 0x8f: // EMPTY_SET
        stack.push(new Set(), 200);
        break;
      case 0x90: {
        // ADDITEMS
        const items = stack.popMark();
        stack.add(items);
        break;
      }
      case 0x91: {
        // FROZENSET
        const items = stack.popMark();
        stack.push(new Set(items), 200 + 40 * items.length);
        break;
      }
      case 0x4e: // NONE
        stack.push(null);
        break;
      case 0x88: // NEWTRUE
        stack.push(true);
        break;
      case 0x89: // NEWFALSE
        stack.push(false);
        break;
      case 0x4a: // BININT
        stack.push(cursor.i32());
        break;
      case 0x4b: // BININT1
        stack.push(cursor.u8());
        break;
      case 0x4d: // BININT2
        stack.push(cursor.u16());
        break;
      case 0x8a: // LONG1
        stack.push(cursor.long(cursor.u8()), 64);
        break;
      case 0x8b: {
        // LONG4
        const n = cursor.u32();
        if (n > 255) stack.fail(`an integer of ${n} bytes`);
        stack.push(cursor.long(n), 300);
        break;
      }
      case 0x47: // BINFLOAT
        stack.push(cursor.f64BigEndian(), 24);
        break;
      case 0x58: // BINUNICODE
        await string(cursor.u32());
        break;
      case 0x8c: // SHORT_BINUNICODE
        await string(cursor.u8());
        break;
      case 0x8d: // BINUNICODE8
        await string(cursor.u64());
        break;
      case 0x54: // BINSTRING
        await string(cursor.u32(), "latin1");
        break;
      case 0x55: // SHORT_BINSTRING
        await string(cursor.u8(), "latin1");
        break;
      case 0x42: // BINBYTES
        bytes(cursor.u32());
        break;
      case 0x43: // SHORT_BINBYTES
        bytes(cursor.u8());
        break;
      case 0x8e: // BINBYTES8
        bytes(cursor.u64());
        break;
      case 0x74: {
        // TUPLE
        const items = stack.popMark();
        stack.push(items, 40 + 8 * items.length);
        break;
      }
      case 0x85: // TUPLE1
        stack.push([stack.pop()], 56);
        break;
      case 0x86: // TUPLE2
        stack.push([stack.pop(), stack.pop()].reverse(), 64);
        break;
      case 0x87: // TUPLE3
        stack.push([stack.pop(), stack.pop(), stack.pop()].reverse(), 72);
        break;
      case 0x61: {
        // APPEND
        const item = stack.pop();
        stack.append([item]);
        break;
      }
      case 0x65: {
        // APPENDS
        const items = stack.popMark();
        stack.append(items);
        break;
      }
      case 0x73: {
        // SETITEM
        const value = stack.pop();
        const key = stack.pop();
        stack.set([key, value]);
        break;
      }
      case 0x75: {
        // SETITEMS
        const items = stack.popMark();
        stack.set(items);
        break;
      }
      case 0x63: // GLOBAL
        stack.name(cursor.line(MAX_LINE), cursor.line(MAX_LINE));
        break;
      case 0x93: {
        // STACK_GLOBAL
        const symbol = stack.pop();
        const module = stack.pop();
        stack.name(module, symbol);
        break;
      }
      case 0x52: // REDUCE
        await reduce();
        break;
      case 0x81: {
        // NEWOBJ
        const args = stack.pop();
        const of = stack.pop();
        if (!is(of, "global")) stack.fail("it makes an object of no class");
        stack.push({ kind: "opaque", of: of.name, args, state: null }, 96);
        break;
      }
      case 0x62: // BUILD
        stack.build();
        break;
      case 0x51: {
        // BINPERSID
        const id = stack.pop();
        stack.push(host.persistent ? host.persistent(id) : stack.fail("it refers to storages outside"), 128);
        break;
      }
      case 0x71: // BINPUT
        stack.put(cursor.u8());
        break;
      case 0x72: // LONG_BINPUT
        stack.put(cursor.u32());
        break;
      case 0x94: // MEMOIZE
        stack.put();
        break;
      case 0x68: // BINGET
        stack.get(cursor.u8());
        break;
      case 0x6a: // LONG_BINGET
        stack.get(cursor.u32());
        break;
      default:
        stack.fail(`opcode 0x${code.toString(16)} is not one that weights need`);
    }
  }
}
