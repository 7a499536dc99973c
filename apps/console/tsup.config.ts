import { library } from '../../tools/build/tsup.ts';

// The threads of filters and of JSON Schema: nobody imports them, they are started by their names.
export default library(['src/filter-worker.ts', 'src/schema-worker.ts']);
