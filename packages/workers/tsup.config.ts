import { library } from '../../tools/build/tsup.ts';

// The threads' own entry: nobody imports it, the pool starts it by name.
export default library(['src/worker.ts']);
