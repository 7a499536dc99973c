/** What sibling packages need of this one beside its public door.
 * @packageDocumentation
 */
export { abortable, sleep } from './waiting.ts';
