/*
 * librdkafka's producer as it comes, idempotent with acks=all, at a steady pace: BOOTSTRAP TOPIC PARTITIONS ID PACE_MS. It sends a record to
 * every partition again and again, and writes a line for each that is acknowledged ("a PARTITION SEQUENCE OFFSET") or refused
 * ("f PARTITION SEQUENCE ERROR"), until its input ends or says anything; then it waits for all that it has sent, and writes how many those
 * were ("s PARTITION COUNT") and what was sent again ("r UNIT COUNT").
 */
#include <poll.h>
#include <rdkafka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define UNACKNOWLEDGED_MAX 20000
#define VALUE_BYTES_MAX 256
#define STATISTICS_MS "500"
#define FLUSH_MS_MAX 300000
#define STATISTICS_MS_MAX 5000

static long unacknowledged;
static long acknowledged;
/* Of the newest statistics. A request that is sent again as it was does not count its messages again, so there are two figures. */
static long requests_again;
static long messages_written;
static int statistics_seen;

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static void delivered(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque) {
  (void)producer;
  (void)opaque;
  long sequence = (long)(intptr_t)message->_private;
  unacknowledged--;
  if (message->err) {
    printf("f %d %ld %s\n", (int)message->partition, sequence, rd_kafka_err2name(message->err));
    return;
  }
  acknowledged++;
  printf("a %d %ld %lld\n", (int)message->partition, sequence, (long long)message->offset);
}

/* The sum of all numbers of a name, and the last one: the client's own totals stand behind those of its partitions. */
static void read_numbers(const char *json, const char *name, long *sum, long *last) {
  *sum = *last = 0;
  for (const char *at = strstr(json, name); at != NULL; at = strstr(at, name)) {
    at += strlen(name);
    *last = atol(at);
    *sum += *last;
  }
}

static int counted(rd_kafka_t *producer, char *json, size_t length, void *opaque) {
  (void)producer;
  (void)length;
  (void)opaque;
  long unused;
  read_numbers(json, "\"txretries\":", &requests_again, &unused);
  read_numbers(json, "\"txmsgs\":", &unused, &messages_written);
  statistics_seen++;
  return 0;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
  char why[256];
  if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK) return;
  fprintf(stderr, "%s\n", why);
  exit(2);
}

static rd_kafka_t *open_producer(const char *bootstrap) {
  char why[256];
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  set(conf, "bootstrap.servers", bootstrap);
  set(conf, "acks", "all");
  set(conf, "enable.idempotence", "true");
  set(conf, "statistics.interval.ms", STATISTICS_MS);
  rd_kafka_conf_set_dr_msg_cb(conf, delivered);
  rd_kafka_conf_set_stats_cb(conf, counted);
  rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
  if (producer != NULL) return producer;
  fprintf(stderr, "%s\n", why);
  exit(2);
}

/* As loadValue of ledger.ts makes them. */
static size_t write_value(char *value, int id, int partition, long sequence) {
  size_t length = snprintf(value, VALUE_BYTES_MAX, "%d %d %ld ", id, partition, sequence);
  size_t padded = 60 + sequence % 80;
  while (length < padded) value[length++] = '.';
  return length;
}

/* What the library does not take, for want of room in its queue, is sent later: the sequence has no gap. */
static int send_one(rd_kafka_t *producer, const char *topic, int id, int partition, long sequence) {
  char value[VALUE_BYTES_MAX];
  size_t length = write_value(value, id, partition, sequence);
  rd_kafka_resp_err_t error =
      rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_VALUE(value, length),
                        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE((void *)(intptr_t)sequence), RD_KAFKA_V_END);
  if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) return 0;
  if (error) {
    printf("f %d %ld %s\n", partition, sequence, rd_kafka_err2name(error));
    return 1;
  }
  unacknowledged++;
  return 1;
}

static int has_input_ended(void) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  return poll(&input, 1, 0) > 0;
}

/* Until a moment, at least once: delivery reports come in here. */
static void serve_until(rd_kafka_t *producer, double moment) {
  do {
    double left = moment - now_ms();
    rd_kafka_poll(producer, left > 0 ? (int)(left + 0.999) : 0);
  } while (now_ms() < moment);
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: paced-producer BOOTSTRAP TOPIC PARTITIONS ID PACE_MS\n");
    return 2;
  }
  const char *topic = argv[2];
  int partitions = atoi(argv[3]), id = atoi(argv[4]);
  double pace_ms = atof(argv[5]);
  long *sent = calloc(partitions, sizeof *sent);
  /* One line is one write, as soon as it is there. */
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  rd_kafka_t *producer = open_producer(argv[1]);
  while (!has_input_ended()) {
    double next = now_ms() + pace_ms;
    for (int partition = 0; partition < partitions && unacknowledged < UNACKNOWLEDGED_MAX; partition++)
      sent[partition] += send_one(producer, topic, id, partition, sent[partition]);
    serve_until(producer, next);
  }
  rd_kafka_flush(producer, FLUSH_MS_MAX);
  /* The statistics that were being made may be of before the last record. */
  int due = statistics_seen + 2;
  for (double end = now_ms() + STATISTICS_MS_MAX; statistics_seen < due && now_ms() < end;) rd_kafka_poll(producer, 10);
  for (int partition = 0; partition < partitions; partition++) printf("s %d %ld\n", partition, sent[partition]);
  printf("r requests %ld\n", requests_again);
  printf("r messages %ld\n", messages_written - acknowledged);
  rd_kafka_destroy(producer);
  free(sent);
  return unacknowledged == 0 ? 0 : 1;
}
