/*
 * One instance of a copy job by librdkafka: BOOTSTRAP SOURCE TARGET INSTANCE. Copies a topic into the same partitions of another, with the
 * offsets in the transaction; a record in a third topic lists what each transaction has copied. Goes on until it is ended.
 */
#include <rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH_RECORDS_MAX 50
#define TIMEOUT_MS 15000
/*
 * rd_kafka_send_offsets_to_transaction of 2.x does not come back, whatever its time limit, where the group's coordinator dies before it has
 * answered (librdkafka's issues 5456 and 5511); its member goes on with heartbeats meanwhile, and the whole group waits for it. So whoever is
 * not back by then ends, and tells by the code where: foreign-copiers.ts knows them.
 */
#define HUNG_SECONDS 25
#define HUNG_IN_OFFSETS 75
#define HUNG_ELSEWHERE 76
/* What a transaction lists of itself has no more room. */
#define LIST_BYTES_MAX 4096

struct job {
  const char *bootstrap;
  const char *source;
  const char *target;
  const char *instance;
};

static volatile sig_atomic_t is_sending_offsets;

static void hung(int signal) {
  (void)signal;
  _exit(is_sending_offsets ? HUNG_IN_OFFSETS : HUNG_ELSEWHERE);
}

/* Partitions came or went: what was read before may be another's by now. */
static int has_rebalanced;

static void rebalanced(rd_kafka_t *consumer, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t *partitions,
                       void *opaque) {
  (void)opaque;
  has_rebalanced = 1;
  rd_kafka_assign(consumer, error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS ? partitions : NULL);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
  char why[256];
  if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK) return;
  fprintf(stderr, "%s\n", why);
  exit(2);
}

static rd_kafka_t *open_client(rd_kafka_type_t type, rd_kafka_conf_t *conf) {
  char why[256];
  /* For whoever looks for the reason of a run that failed: `eos,cgrp` and so on. */
  const char *debug = getenv("RDKAFKA_DEBUG");
  if (debug != NULL) set(conf, "debug", debug);
  rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
  if (client != NULL) return client;
  fprintf(stderr, "%s\n", why);
  exit(2);
}

static rd_kafka_t *open_consumer(const struct job *job) {
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  set(conf, "bootstrap.servers", job->bootstrap);
  set(conf, "group.id", job->target);
  set(conf, "enable.auto.commit", "false");
  set(conf, "isolation.level", "read_committed");
  set(conf, "auto.offset.reset", "earliest");
  set(conf, "session.timeout.ms", "6000");
  rd_kafka_conf_set_rebalance_cb(conf, rebalanced);
  rd_kafka_t *consumer = open_client(RD_KAFKA_CONSUMER, conf);
  rd_kafka_poll_set_consumer(consumer);
  return consumer;
}

static rd_kafka_t *open_producer(const struct job *job) {
  char id[256];
  snprintf(id, sizeof id, "%s-%s", job->target, job->instance);
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  set(conf, "bootstrap.servers", job->bootstrap);
  set(conf, "transactional.id", id);
  set(conf, "transaction.timeout.ms", "10000");
  return open_client(RD_KAFKA_PRODUCER, conf);
}

/* Returns whether it went well; says why where it did not. */
static int is_well(const char *what, const char *instance, rd_kafka_error_t *error) {
  if (error == NULL) return 1;
  fprintf(stderr, "librdkafka %s: %s: %s\n", instance, what, rd_kafka_error_string(error));
  rd_kafka_error_destroy(error);
  return 0;
}

/* Tried again while that may help, as its manual has it. */
static int commit(rd_kafka_t *producer, const char *instance) {
  for (;;) {
    rd_kafka_error_t *error = rd_kafka_commit_transaction(producer, TIMEOUT_MS);
    if (error == NULL || !rd_kafka_error_is_retriable(error)) return is_well("commit", instance, error);
    rd_kafka_error_destroy(error);
  }
}

static int take(rd_kafka_t *consumer, rd_kafka_message_t **batch, size_t *bytes) {
  int count = 0;
  *bytes = 0;
  has_rebalanced = 0;
  while (count < BATCH_RECORDS_MAX && *bytes < LIST_BYTES_MAX / 2) {
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, count == 0 ? 200 : 10);
    if (has_rebalanced) {
      while (count > 0) rd_kafka_message_destroy(batch[--count]);
      *bytes = 0;
      has_rebalanced = 0;
    }
    if (message == NULL) break;
    if (message->err != 0) {
      rd_kafka_message_destroy(message);
      continue;
    }
    *bytes += message->len + 1;
    batch[count++] = message;
  }
  return count;
}

/* Returns whether to go on. */
static int copy_batch(rd_kafka_t *consumer, rd_kafka_t *producer, const struct job *job, rd_kafka_message_t **batch,
                      int count, size_t bytes) {
  char lists[256];
  snprintf(lists, sizeof lists, "%s-lists", job->target);
  char *list = malloc(bytes);
  size_t at = 0;
  rd_kafka_consumer_group_metadata_t *member = rd_kafka_consumer_group_metadata(consumer);
  rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(8);
  int is_good = is_well("begin", job->instance, rd_kafka_begin_transaction(producer));
  for (int index = 0; is_good && index < count; index++) {
    rd_kafka_message_t *message = batch[index];
    memcpy(list + at, message->payload, message->len);
    at += message->len;
    list[at++] = ' ';
    rd_kafka_topic_partition_t *place = rd_kafka_topic_partition_list_find(offsets, job->source, message->partition);
    if (place == NULL) place = rd_kafka_topic_partition_list_add(offsets, job->source, message->partition);
    place->offset = message->offset + 1;
    is_good = rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(job->target), RD_KAFKA_V_PARTITION(message->partition),
                                RD_KAFKA_V_VALUE(message->payload, message->len),
                                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END) == 0;
  }
  is_good = is_good && rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(lists), RD_KAFKA_V_VALUE(list, at - 1),
                                         RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END) == 0;
  is_sending_offsets = 1;
  is_good = is_good && is_well("offsets", job->instance,
                               rd_kafka_send_offsets_to_transaction(producer, offsets, member, TIMEOUT_MS));
  is_sending_offsets = 0;
  is_good = is_good && commit(producer, job->instance);
  if (!is_good) is_well("abort", job->instance, rd_kafka_abort_transaction(producer, TIMEOUT_MS));
  rd_kafka_topic_partition_list_destroy(offsets);
  rd_kafka_consumer_group_metadata_destroy(member);
  free(list);
  return is_good;
}

static void copy(const struct job *job) {
  rd_kafka_t *producer = open_producer(job);
  rd_kafka_t *consumer = open_consumer(job);
  rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(topics, job->source, RD_KAFKA_PARTITION_UA);
  int is_good = is_well("init", job->instance, rd_kafka_init_transactions(producer, TIMEOUT_MS));
  if (is_good) is_good = rd_kafka_subscribe(consumer, topics) == 0;
  while (is_good) {
    rd_kafka_message_t *batch[BATCH_RECORDS_MAX];
    size_t bytes;
    int count = take(consumer, batch, &bytes);
    alarm(HUNG_SECONDS);
    if (count > 0) is_good = copy_batch(consumer, producer, job, batch, count, bytes);
    alarm(0);
    for (int index = 0; index < count; index++) rd_kafka_message_destroy(batch[index]);
  }
  rd_kafka_topic_partition_list_destroy(topics);
  alarm(HUNG_SECONDS);
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
  rd_kafka_destroy(producer);
  alarm(0);
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  signal(SIGALRM, hung);
  const struct job job = {argv[1], argv[2], argv[3], argv[4]};
  for (;;) {
    copy(&job);
    /* A service that is supervised begins again, with what is committed. */
    usleep(200000);
  }
}
