import { library } from '../../tools/build/tsup.ts';

// The program of a local cluster's brokers: nobody imports it, the parent starts it by name.
export default library(['src/cluster-member.ts']);
