/**
 * An answer for each partition of each topic that a request names, for `inTurns`: a request can name a hundred thousand, and others
 * are not to wait for all of them.
 */
export function* answerEachPartition<Topic, Partition, Answer, Answered>(
  topics: readonly Topic[],
  partitionsOf: (topic: Topic) => readonly Partition[],
  answer: (topic: Topic, partition: Partition) => Answer,
  answered: (topic: Topic, answers: Answer[]) => Answered,
): Generator<void, Answered[]> {
  const results: Answered[] = [];
  for (const topic of topics) {
    const answers: Answer[] = [];
    for (const partition of partitionsOf(topic)) {
      answers.push(answer(topic, partition));
      yield;
    }
    results.push(answered(topic, answers));
    yield;
  }
  return results;
}
