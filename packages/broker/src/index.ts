/** The broker's core: request handlers, replica manager, group coordinator, controller.
 * @packageDocumentation
 */
export {};
