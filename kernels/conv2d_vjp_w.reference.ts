export { conv2dVjpW } from "./conv2d.reference.ts";
