import { library } from '../../tools/build/tsup.ts';

// The thread of filters: nobody imports it, it is started by its name.
export default library(['src/filter-worker.ts']);
