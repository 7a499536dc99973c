#!/bin/sh
# Runs the program as a user without rights, whoever owns the volumes: a folder that Docker has made for a bind mount is root's, and one
# of another image is another user's. Whoever starts the container as a user of his own (`user:`, Kubernetes) keeps that user.
set -eu
MILLRACE_UID=${MILLRACE_UID:-10001}
MILLRACE_GID=${MILLRACE_GID:-10001}
PROGRAM=${MILLRACE_PROGRAM:-millrace}

# The health of a broker, or of a console by itself: it asks for a login, and that is an answer. Where they are the container's first
# process has been told.
if [ "${1:-}" = healthy ]; then
  exec node -e '
    import { readFileSync } from "node:fs";
    const words = readFileSync(process.env.MILLRACE_CMDLINE || "/proc/1/cmdline", "utf8").split("\0");
    const told = (...options) => {
      for (const [at, word] of words.entries()) {
        const option = options.find((each) => word.startsWith(each));
        if (option === undefined) continue;
        if (word === option) return words[at + 1];
        if (word[option.length] === "=" || option.length === 2) return word.slice(option.length).replace(/^=/, "");
      }
    };
    const isConsole = words.find((word) => word === "start" || word === "console") === "console";
    const given = told("--host");
    const host = given === undefined || /^(?:0\.0\.0\.0|::|localhost)$/.test(given) ? "127.0.0.1" : given;
    const set = words.find((word) => /^(?:--override=)?millrace\.http\.port=/.test(word))?.split("=").at(-1);
    const [port, path, isWell] = isConsole
      ? [told("--port", "-p") || 8080, "/api/session", (status) => status < 500]
      : [told("--http-port") || set || process.env.MILLRACE_HTTP_PORT || 9644, "/health", (status) => status === 200];
    const at = `${isConsole ? (host.includes(":") ? `[${host}]` : host) : "127.0.0.1"}:${port}`;
    process.exit((await fetch(`http://${at}${path}`).then((r) => isWell(r.status), () => false)) ? 0 : 1);
  ' --input-type=module
fi

# Where nothing is said a broker answers its own machine alone: in a container nobody would reach it by the port that is published.
if [ "$*" = start ] && [ -z "${KAFKA_LISTENERS:-}${KAFKA_ADVERTISED_LISTENERS:-}${KAFKA_ZOOKEEPER_CONNECT:-}" ]; then
  export KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://localhost:9092
fi
# They are the container's own words, and the program takes MILLRACE_* for settings.
unset MILLRACE_PROGRAM
if [ "$(id -u)" != 0 ]; then
  unset MILLRACE_UID MILLRACE_GID
  exec "$PROGRAM" "$@"
fi
if [ "${1:-}" = start ]; then
  IFS=,
  for folder in ${KAFKA_LOG_DIRS:-/var/lib/kafka/data}; do
    mkdir -p "$folder"
    # Only where it is another's: a large folder is not walked through at each start.
    if [ "$(stat -c %u "$folder")" != "$MILLRACE_UID" ]; then chown -R "$MILLRACE_UID:$MILLRACE_GID" "$folder"; fi
  done
  unset IFS
fi
# What the user keeps, as profiles, is not root's: root's folder nobody else may look into.
export HOME=/home/millrace
set -- --reuid "$MILLRACE_UID" --regid "$MILLRACE_GID" --clear-groups -- "$PROGRAM" "$@"
unset MILLRACE_UID MILLRACE_GID
exec setpriv "$@"
