/** `node tools/build/main.ts`: writes the declarations of all packages, of which each takes its own when it is built. */
import { writeTypes } from './types.ts';

await writeTypes();
