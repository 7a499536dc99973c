/** What sibling packages need of this one beside its public door.
 * @packageDocumentation
 */
export { FrameAssembler, type FrameAssemblerOptions, type FrameFault } from './frame-assembler.ts';
