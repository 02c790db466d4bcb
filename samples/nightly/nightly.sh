#!/bin/sh
# One nightly load. Called by cron, or by hand; arguments are options of the load. What this prints, cron mails.
# Exit code: that of the load; 5 only when the night is over and rows are still to be sent.
cd "${ASSOCIATIONS_FOLDER:-/srv/associations}" || exit 2
umask 077

tries=0
while :; do
    "${ASSOCIATIONS_COMMAND:-.venv/bin/association-loader}" load --config job.toml --quiet "$@"
    code=$?
    tries=$((tries + 1))
    # 5: stopped for now (quota spent, HubSpot out of reach). The same command goes on where it stopped.
    if [ "$code" -ne 5 ] || [ "$tries" -ge "${ASSOCIATIONS_TRIES:-8}" ]; then
        break
    fi
    sleep "${ASSOCIATIONS_PAUSE:-3600}"
done

case "$code" in
    0) ;;
    1) echo "The load finished, but some rows were not associated: see the failures file in $PWD." ;;
    5) echo "The load is not finished; the next night goes on with it. Nothing is lost." ;;
    130 | 143) echo "The load was interrupted; the next night goes on with it. Nothing is lost." ;;
    *) echo "The load needs a person (exit code $code): see the message above and load.log in $PWD." ;;
esac
exit "$code"
