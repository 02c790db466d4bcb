#!/bin/sh
# One nightly load. Called by cron, or by hand; arguments are options of the load. What this prints, cron mails.
# Exit code: that of the load; 5 only when the night is over and rows are still to be sent, 75 when an earlier load is
# still at work.
cd "${ASSOCIATIONS_FOLDER:-/srv/associations}" || exit 2
umask 077

loader=${ASSOCIATIONS_COMMAND:-.venv/bin/association-loader}

tries=0
while :; do
    "$loader" load --config job.toml --quiet "$@"
    code=$?
    tries=$((tries + 1))
    # 5: stopped for now (quota spent, HubSpot out of reach). The same command resumes where it stopped.
    if [ "$code" -ne 5 ] || [ "$tries" -ge "${ASSOCIATIONS_TRIES:-8}" ]; then
        break
    fi
    sleep "${ASSOCIATIONS_PAUSE:-3600}"
done

# An earlier start may still be at work: then this one has done nothing, and nobody need do anything.
if [ "$code" -eq 2 ]; then
    case $("$loader" status nightly.results.csv --json 2>/dev/null) in
        *'"state": "running"'* | *'"state": "reading"'*) code=75 ;;
    esac
fi

case "$code" in
    0) ;;
    1)
        echo "The load finished, but some rows were not associated: see the failures file" "$PWD"/nightly.failures.*
        echo "Rows: $(sed -n '/^  "rows": {/,/}/p' nightly.summary.json | sed 1d | tr -d '"}\n' | tr -s ' ' | sed 's/^ *//; s/[, ]*$//')"
        ;;
    5) echo "The load is not finished; the next night goes on with it. Nothing is lost." ;;
    6) echo "The load is finished, but its files could not be copied: see the message above." ;;
    75) echo "An earlier load is still at work, so this one did nothing: see the message above." ;;
    130 | 143) echo "The load was interrupted; the next night goes on with it. Nothing is lost." ;;
    *) echo "The load needs a person (exit code $code): see the message above and load.log in $PWD." ;;
esac
exit "$code"
