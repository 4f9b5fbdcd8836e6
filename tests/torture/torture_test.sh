#!/bin/sh
# SPDX-License-Identifier: MIT
# A broken ferry is found out: torture_test.sh FERRY FAULTY-LIBRARY FAULT WORD 'KIND OPTIONS'
# ferry torture KIND OPTIONS, run with a library that commits FAULT, must exit with 1 and name WORD.
# On a busy machine the crew may not get far enough to meet the fault in a second; then it gets more
# time. A ferry without the fault would pass each of these runs, so trying again proves no less.
set -u

for seconds in 1 5 25; do
	# shellcheck disable=SC2086  # the last one is words
	out=$(FERRY_FAULT="$3" LD_PRELOAD="$2" "$1" torture $5 --seconds $seconds \
		--kills-per-second 0 --stops-per-second 0 2>&1)
	status=$?
	printf '%s\n' "$out"
	if [ $status -eq 1 ] && printf '%s\n' "$out" | grep -q "^  $4: "; then
		exit 0
	fi
	echo "after $seconds s: exit status $status (1 wanted), no fault of the kind '$4'"
done
exit 1
