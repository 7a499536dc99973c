/*
 * librdkafka under the same jobs as the clients in Node: see src/clients/jobs.ts. Takes the job's fields as name=value and prints
 * the result as one line of JSON.
 */
#include <pthread.h>
#include <rdkafka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define DIFFERENT_VALUES 5000

static const char *field(int argc, char **argv, const char *name, const char *fallback) {
  size_t length = strlen(name);
  for (int i = 1; i < argc; i++)
    if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=') return argv[i] + length + 1;
  if (fallback != NULL) return fallback;
  fprintf(stderr, "the job has no %s\n", name);
  exit(1);
}

static long number(int argc, char **argv, const char *name, const char *fallback) {
  return atol(field(argc, argv, name, fallback));
}

static double now_ms(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static double cpu_ms(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

/* Processor time of the broker. */
static double cpu_ms_of(long pid) {
  char path[64], line[2048];
  snprintf(path, sizeof path, "/proc/%ld/stat", pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) return 0;
  size_t length = fread(line, 1, sizeof line - 1, file);
  fclose(file);
  line[length] = 0;
  /* The program's name stands in parentheses and may contain blanks. */
  char *rest = strrchr(line, ')');
  long user = 0, system = 0;
  if (rest == NULL || sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system) != 2) return 0;
  return (user + system) * 1e3 / sysconf(_SC_CLK_TCK);
}

static long rss_bytes(void) {
  long size = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file != NULL) {
    if (fscanf(file, "%ld %ld", &size, &resident) != 2) resident = 0;
    fclose(file);
  }
  return resident * sysconf(_SC_PAGESIZE);
}

static void print_throughput(long records, long bytes, double started, double cpu, long broker, double broker_cpu) {
  double seconds = (now_ms() - started) / 1e3;
  printf("{\"records\":%ld,\"seconds\":%f,\"cpuMs\":%f,\"brokerCpuMs\":%f,\"bytes\":%ld,\"rssBytes\":%ld}\n", records, seconds,
         cpu_ms() - cpu, cpu_ms_of(broker) - broker_cpu, bytes, rss_bytes());
}

/* The same values as src/random-values.ts. */
static char *random_values(long bytes) {
  size_t all = (size_t)DIFFERENT_VALUES * bytes;
  char *values = malloc(all);
  uint32_t state = 42;
  for (size_t at = 0; at < all; at++) {
    state = state * 1103515245u + 12345u;
    values[at] = 97 + ((state >> 16) % 16);
  }
  return values;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
  char error[512];
  if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK) {
    fprintf(stderr, "%s=%s: %s\n", name, value, error);
    exit(1);
  }
}

/* Arguments `conf.NAME=VALUE`, such as `conf.security.protocol=ssl`. */
static void set_given(rd_kafka_conf_t *conf, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    char name[128];
    const char *value = strchr(argv[i], '=');
    if (strncmp(argv[i], "conf.", 5) != 0 || value == NULL) continue;
    snprintf(name, sizeof name, "%.*s", (int)(value - argv[i] - 5), argv[i] + 5);
    set(conf, name, value + 1);
  }
}

static volatile long acknowledged = 0;
static volatile int failed = 0;
static double *latencies = NULL;
/* How long after it was due a record was handed to the client. */
static double *lags = NULL;
static long lag_count = 0;
static volatile long latency_count = 0;
static long latency_max = 0;

/* The opaque of a record is its intended time in microseconds, or null where nobody asks. */
static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
  (void)rk;
  (void)opaque;
  if (message->err) {
    fprintf(stderr, "%s\n", rd_kafka_err2str(message->err));
    failed = 1;
  }
  /* Two threads may be here at once: the one that polls, and the one that sends and finds the queue full. */
  __sync_fetch_and_add(&acknowledged, 1);
  if (message->_private == NULL || message->err) return;
  long at = __sync_fetch_and_add(&latency_count, 1);
  if (at < latency_max) latencies[at] = now_ms() - (double)(intptr_t)message->_private / 1e3;
}

static rd_kafka_t *make_producer(int argc, char **argv, const char *linger_ms) {
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  const char *acks = field(argc, argv, "acks", NULL);
  set(conf, "bootstrap.servers", field(argc, argv, "bootstrap", NULL));
  set(conf, "acks", acks);
  /* As our producer does where it may. */
  set(conf, "enable.idempotence", strcmp(acks, "-1") == 0 ? "true" : "false");
  set(conf, "compression.codec", field(argc, argv, "compression", "none"));
  set(conf, "linger.ms", linger_ms);
  set(conf, "queue.buffering.max.messages", "1000000");
  set(conf, "queue.buffering.max.kbytes", "262144");
  set_given(conf, argc, argv);
  rd_kafka_conf_set_dr_msg_cb(conf, delivered);
  char error[512];
  rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
  if (rk == NULL) {
    fprintf(stderr, "%s\n", error);
    exit(1);
  }
  return rk;
}

static void send_value(rd_kafka_t *rk, rd_kafka_topic_t *topic, char *value, long bytes, void *opaque) {
  while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value, bytes, NULL, 0, opaque) == -1) {
    if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      fprintf(stderr, "%s\n", rd_kafka_err2str(rd_kafka_last_error()));
      exit(1);
    }
    rd_kafka_poll(rk, 10);
  }
}

static long pump(rd_kafka_t *rk, rd_kafka_topic_t *topic, char *values, long bytes, double time_ms) {
  double deadline = now_ms() + time_ms;
  long sent = 0;
  while ((sent & 127) != 0 || now_ms() < deadline) {
    send_value(rk, topic, values + (sent % DIFFERENT_VALUES) * bytes, bytes, NULL);
    if ((++sent & 1023) == 0) rd_kafka_poll(rk, 0);
  }
  rd_kafka_flush(rk, 30000);
  return sent;
}

static void produce(int argc, char **argv) {
  long bytes = number(argc, argv, "recordBytes", NULL);
  char *values = random_values(bytes);
  rd_kafka_t *rk = make_producer(argc, argv, "5");
  rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, field(argc, argv, "topic", NULL), NULL);
  pump(rk, topic, values, bytes, number(argc, argv, "warmUpMs", NULL));
  long broker = number(argc, argv, "brokerPid", NULL);
  double started = now_ms(), cpu = cpu_ms(), broker_cpu = cpu_ms_of(broker);
  acknowledged = 0;
  pump(rk, topic, values, bytes, number(argc, argv, "timeMs", NULL));
  print_throughput(acknowledged, acknowledged * bytes, started, cpu, broker, broker_cpu);
}

static volatile int polling = 1;

static void *poll_reports(void *rk) {
  while (polling) rd_kafka_poll(rk, 50);
  return NULL;
}

static void send_at_rate(rd_kafka_t *rk, rd_kafka_topic_t *topic, char *values, long bytes, long rate, double time_ms,
                         int measured) {
  double start = now_ms();
  long count = (long)(rate * time_ms / 1e3);
  for (long sent = 0; sent < count; sent++) {
    double intended = start + (sent + 1) * 1e3 / rate;
    double wait = intended - now_ms();
    if (wait > 0) usleep((useconds_t)(wait * 1e3));
    if (measured && lag_count < latency_max) lags[lag_count++] = now_ms() - intended;
    send_value(rk, topic, values + (sent % DIFFERENT_VALUES) * bytes, bytes,
               measured ? (void *)(intptr_t)(intended * 1e3) : NULL);
  }
  rd_kafka_flush(rk, 30000);
}

static int ascending(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

/* Of sorted values. */
static double percentile(const double *values, long count, double share) {
  long at = (long)(count * share);
  return count == 0 ? 0 : values[at < count ? at : count - 1];
}

static void print_latencies(double cpu, double broker_cpu) {
  qsort(latencies, latency_count, sizeof *latencies, ascending);
  qsort(lags, lag_count, sizeof *lags, ascending);
  printf("{\"p50\":%f,\"p99\":%f,\"p999\":%f,\"max\":%f,\"lagP99\":%f,\"records\":%ld,\"cpuMs\":%f,\"brokerCpuMs\":%f}\n",
         percentile(latencies, latency_count, 0.5), percentile(latencies, latency_count, 0.99),
         percentile(latencies, latency_count, 0.999), percentile(latencies, latency_count, 1),
         percentile(lags, lag_count, 0.99), latency_count, cpu, broker_cpu);
}

static void measure_latency(int argc, char **argv) {
  long bytes = number(argc, argv, "recordBytes", NULL);
  long rate = number(argc, argv, "ratePerSecond", NULL);
  double time_ms = number(argc, argv, "timeMs", NULL);
  char *values = random_values(bytes);
  /* 0 waits for nothing, as our producer does by default. */
  rd_kafka_t *rk = make_producer(argc, argv, "0");
  rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, field(argc, argv, "topic", NULL), NULL);
  latency_max = (long)(rate * time_ms / 1e3);
  latencies = malloc(latency_max * sizeof *latencies);
  lags = malloc(latency_max * sizeof *lags);
  pthread_t thread;
  pthread_create(&thread, NULL, poll_reports, rk);
  send_at_rate(rk, topic, values, bytes, rate, number(argc, argv, "warmUpMs", NULL), 0);
  long broker = number(argc, argv, "brokerPid", NULL);
  double cpu = cpu_ms(), broker_cpu = cpu_ms_of(broker);
  send_at_rate(rk, topic, values, bytes, rate, time_ms, 1);
  cpu = cpu_ms() - cpu;
  broker_cpu = cpu_ms_of(broker) - broker_cpu;
  for (int i = 0; i < 1000 && latency_count < latency_max; i++) usleep(10000);
  polling = 0;
  pthread_join(thread, NULL);
  if (latency_count < latency_max) {
    fprintf(stderr, "%ld of %ld records were not acknowledged\n", latency_max - latency_count, latency_max);
    failed = 1;
  }
  print_latencies(cpu, broker_cpu);
}

/* One at a time, the next when the one before is acknowledged. Returns how many. */
static long send_singly(rd_kafka_t *rk, rd_kafka_topic_t *topic, char *values, long bytes, double time_ms, int measured) {
  double start = now_ms(), now = start;
  long sent = 0;
  while (now < start + time_ms) {
    double before = now;
    long target = acknowledged + 1;
    send_value(rk, topic, values + (sent++ % DIFFERENT_VALUES) * bytes, bytes, NULL);
    while (acknowledged < target && !failed) rd_kafka_poll(rk, 100);
    if (failed) break;
    now = now_ms();
    if (measured && latency_count < latency_max) latencies[latency_count++] = now - before;
  }
  return sent;
}

static void measure_single(int argc, char **argv) {
  long bytes = number(argc, argv, "recordBytes", NULL);
  double time_ms = number(argc, argv, "timeMs", NULL);
  char *values = random_values(bytes);
  rd_kafka_t *rk = make_producer(argc, argv, "0");
  rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, field(argc, argv, "topic", NULL), NULL);
  /* More than 100,000 a second are not to be had one by one. */
  latency_max = (long)(100 * time_ms);
  latencies = malloc(latency_max * sizeof *latencies);
  send_singly(rk, topic, values, bytes, number(argc, argv, "warmUpMs", NULL), 0);
  long broker = number(argc, argv, "brokerPid", NULL);
  double cpu = cpu_ms(), broker_cpu = cpu_ms_of(broker);
  send_singly(rk, topic, values, bytes, time_ms, 1);
  print_latencies(cpu_ms() - cpu, cpu_ms_of(broker) - broker_cpu);
}

static void must(rd_kafka_error_t *error) {
  if (error == NULL) return;
  fprintf(stderr, "%s\n", rd_kafka_error_string(error));
  exit(1);
}

/* One transaction after the other, each begun when the one before is committed. Returns how many. */
static long transact_for(rd_kafka_t *rk, rd_kafka_topic_t *topic, char *values, int argc, char **argv, double time_ms) {
  long bytes = number(argc, argv, "recordBytes", NULL), each = number(argc, argv, "records", NULL);
  long partitions = number(argc, argv, "partitions", NULL);
  double deadline = now_ms() + time_ms;
  long done = 0, sent = 0;
  while (now_ms() < deadline) {
    must(rd_kafka_begin_transaction(rk));
    for (long count = 0; count < each; count++, sent++) {
      char *value = values + (sent % DIFFERENT_VALUES) * bytes;
      if (rd_kafka_produce(topic, sent % partitions, RD_KAFKA_MSG_F_COPY, value, bytes, NULL, 0, NULL) == -1) {
        fprintf(stderr, "%s\n", rd_kafka_err2str(rd_kafka_last_error()));
        exit(1);
      }
    }
    must(rd_kafka_commit_transaction(rk, 30000));
    done++;
  }
  return done;
}

static void transact(int argc, char **argv) {
  long bytes = number(argc, argv, "recordBytes", NULL);
  char *values = random_values(bytes);
  /* A commit flushes, whatever it is. */
  rd_kafka_t *rk = make_producer(argc, argv, "5");
  rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, field(argc, argv, "topic", NULL), NULL);
  must(rd_kafka_init_transactions(rk, 30000));
  transact_for(rk, topic, values, argc, argv, number(argc, argv, "warmUpMs", NULL));
  long broker = number(argc, argv, "brokerPid", NULL);
  double started = now_ms(), cpu = cpu_ms(), broker_cpu = cpu_ms_of(broker);
  long done = transact_for(rk, topic, values, argc, argv, number(argc, argv, "timeMs", NULL));
  print_throughput(done, done * number(argc, argv, "records", NULL) * bytes, started, cpu, broker, broker_cpu);
}

static void consume(int argc, char **argv) {
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  char group[64], error[512];
  snprintf(group, sizeof group, "bench-%d-%f", getpid(), now_ms());
  set(conf, "bootstrap.servers", field(argc, argv, "bootstrap", NULL));
  set(conf, "group.id", group);
  set(conf, "auto.offset.reset", "earliest");
  set(conf, "check.crcs", "true");
  set_given(conf, argc, argv);
  rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
  if (rk == NULL) {
    fprintf(stderr, "%s\n", error);
    exit(1);
  }
  rd_kafka_poll_set_consumer(rk);
  rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(topics, field(argc, argv, "topic", NULL), RD_KAFKA_PARTITION_UA);
  rd_kafka_subscribe(rk, topics);

  long total = number(argc, argv, "records", NULL), warm_up = number(argc, argv, "warmUpRecords", NULL);
  double warm_up_ms = number(argc, argv, "warmUpMs", NULL), time_ms = number(argc, argv, "timeMs", NULL);
  rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
  static rd_kafka_message_t *messages[1000];
  long seen = 0, seen_before = 0, bytes = 0;
  long broker = number(argc, argv, "brokerPid", NULL);
  double first = 0, started = 0, cpu = 0, broker_cpu = 0, give_up = now_ms() + 30000;
  int over = 0;
  while (!over && now_ms() < give_up) {
    ssize_t count = rd_kafka_consume_batch_queue(queue, 100, messages, 1000);
    for (ssize_t i = 0; i < count; i++) {
      if (messages[i]->err == 0) {
        seen++;
        bytes += messages[i]->len;
      }
      rd_kafka_message_destroy(messages[i]);
    }
    double now = now_ms();
    if (seen > 0 && first == 0) first = now;
    if (started == 0) {
      if (seen > 0 && (seen >= warm_up || now - first >= warm_up_ms)) {
        started = now;
        cpu = cpu_ms();
        broker_cpu = cpu_ms_of(broker);
        seen_before = seen;
        bytes = 0;
      }
    } else {
      over = seen >= total || now - started >= time_ms;
    }
  }
  print_throughput(seen - seen_before, bytes, started, cpu, broker, broker_cpu);
}

int main(int argc, char **argv) {
  const char *kind = field(argc, argv, "kind", NULL);
  if (strcmp(kind, "produce") == 0) produce(argc, argv);
  else if (strcmp(kind, "latency") == 0) measure_latency(argc, argv);
  else if (strcmp(kind, "single") == 0) measure_single(argc, argv);
  else if (strcmp(kind, "transact") == 0) transact(argc, argv);
  else consume(argc, argv);
  fflush(stdout);
  /* Leaving the group and freeing queues takes seconds, and the figures are out. */
  _exit(failed);
}
