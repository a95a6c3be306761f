/** The host's own conversion, bit by bit; tested against a table of halves. */
export { fromHalf, toHalf } from "../src/tensor/half.ts";
