import { type Command, InvalidArgumentError } from 'commander';
import type {
  AbortTransactionOptions,
  DescribeProducersOptions,
  FindHangingOptions,
  ListTransactionsOptions,
} from '../commands/transactions.ts';
import type { Run } from '../context.ts';
import { duration, natural, partitions, texts } from '../parse/values.ts';

const commands = () => import('../commands/transactions.ts');

export function addTransactions(program: Command, run: Run): void {
  const transactions = program
    .command('transactions')
    .summary('look after transactions and their producers')
    .description('Look after transactions and their producers.')
    .helpCommand(false);
  addQuestions(transactions, run);
  addEnds(transactions, run);
  addTermination(transactions, run);
}

function addQuestions(transactions: Command, run: Run): void {
  transactions
    .command('list')
    .summary('list transactional ids')
    .description('Lists transactional ids with the states of their transactions. With --quiet the ids only.')
    .option('--state <state>', 'only in this state, e.g. Ongoing; may be repeated', texts)
    .option('--producer-id <n>', 'only of this producer; may be repeated', numbers)
    .option('--id-pattern <regex>', 'only ids that match it as a whole, e.g. orders-.*')
    .option('--open-for <duration>', 'only of those that began longer ago, e.g. 10m', duration)
    .addHelpText('after', '\nExamples:\n  millrace transactions list --state Ongoing --open-for 10m')
    .action((options: ListTransactionsOptions) =>
      run(async (context) => (await commands()).listTransactions(context, options)),
    );
  transactions
    .command('describe')
    .argument('<id...>')
    .summary('show what their coordinators know of transactional ids')
    .description('Shows state, producer, age and partitions of the transactions of transactional ids.')
    .addHelpText('after', '\nExamples:\n  millrace transactions describe payments-1')
    .action((ids: string[]) => run(async (context) => (await commands()).describeTransactions(context, ids)));
  transactions
    .command('describe-producers')
    .argument('<topic>')
    .summary('show who writes to partitions')
    .description(
      'Shows the idempotent and transactional producers of partitions, and where a transaction of theirs is open.',
    )
    .option('-p, --partition <list>', 'only these partitions, e.g. 0,3-5', partitions)
    .addHelpText('after', '\nExamples:\n  millrace transactions describe-producers orders --partition 0')
    .action((topic: string, options: DescribeProducersOptions) =>
      run(async (context) => (await commands()).describeProducers(context, topic, options)),
    );
  transactions
    .command('find-hanging')
    .summary('find transactions that nobody will end')
    .description(
      'Finds transactions that are open in partitions and that no coordinator will end: readers of what is committed wait behind them. `abort` ends them.',
    )
    .option('-t, --topic <name>', 'only in this topic; may be repeated', texts)
    .option('-p, --partition <list>', 'only in these partitions of it, e.g. 0,3-5', partitions)
    .option('--idle-for <duration>', 'only where nothing was written for so long (default: 15m)', duration)
    .addHelpText(
      'after',
      '\nExamples:\n  millrace transactions find-hanging\n  millrace transactions find-hanging --topic orders --idle-for 1h',
    )
    .action((options: FindHangingOptions) => run(async (context) => (await commands()).findHanging(context, options)));
}

function addEnds(transactions: Command, run: Run): void {
  transactions
    .command('abort')
    .argument('<topic>')
    .summary('end a transaction in one partition, past its coordinator')
    .description(
      'Ends a transaction in one partition, past its coordinator: for those that find-hanging shows. A transaction that is alive is torn by it.',
    )
    .requiredOption('-p, --partition <n>', 'the partition', natural)
    .option('--start-offset <offset>', 'the transaction that begins there', natural)
    .option('--producer-id <n>', 'the transaction of this producer, instead', natural)
    .option('--producer-epoch <n>', "the producer's epoch", natural)
    .option(
      '--coordinator-epoch <n>',
      "the epoch of the producer's coordinator (default: the last that is known)",
      natural,
    )
    .addHelpText('after', '\nExamples:\n  millrace transactions abort orders --partition 3 --start-offset 1042')
    .action((topic: string, options: AbortTransactionOptions) =>
      run(async (context) => (await commands()).abortTransaction(context, topic, options)),
    );
  transactions
    .command('fence')
    .argument('<id...>')
    .summary('refuse the producers of transactional ids from now on')
    .description('Has whoever writes under these transactional ids be refused; what they have left open is aborted.')
    .addHelpText('after', '\nExamples:\n  millrace transactions fence payments-1')
    .action((ids: string[]) => run(async (context) => (await commands()).fenceProducers(context, ids)));
}

function addTermination(transactions: Command, run: Run): void {
  transactions
    .command('force-terminate')
    .argument('<id>')
    .summary('abort the transaction of a transactional id')
    .description(
      'Has the coordinator abort the transaction that is open under a transactional id, and refuse its producer from now on: for one whose producer does not end it.',
    )
    .addHelpText('after', '\nExamples:\n  millrace transactions force-terminate payments-1')
    .action((id: string) => run(async (context) => (await commands()).forceTerminate(context, id)));
}

function numbers(text: string, previous: readonly number[] | undefined): number[] {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw new InvalidArgumentError('It is a number.');
  return [...(previous ?? []), value];
}
