#!/bin/sh
# Runs the program as a user without rights, whoever owns the volumes: a folder that Docker has made for a bind mount is root's, and one
# of another image is another user's. Whoever starts the container as a user of his own (`user:`, Kubernetes) keeps that user.
set -eu
MILLRACE_UID=${MILLRACE_UID:-10001}
MILLRACE_GID=${MILLRACE_GID:-10001}
PROGRAM=${MILLRACE_PROGRAM:-millrace}

# The health of a broker, or of a console by itself: it asks for a login, and that is an answer.
if [ "${1:-}" = healthy ]; then
  exec node -e '
    const ask = (port, path, isWell) => fetch(`http://127.0.0.1:${port}${path}`).then((r) => isWell(r.status), () => false);
    const broker = await ask(process.env.MILLRACE_HTTP_PORT || 9644, "/health", (status) => status === 200);
    process.exit(broker || (await ask(8080, "/api/session", (status) => status < 500)) ? 0 : 1);
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
