#!/bin/sh
# SPDX-License-Identifier: MIT
# A broken ferry is found out: torture_test.sh FERRY FAULTY-LIBRARY FAULT WORD FAMILY
# ferry torture, run with a library that commits FAULT, must exit with 1 and name WORD.
set -u

out=$(FERRY_FAULT="$3" LD_PRELOAD="$2" "$1" torture "$5" --seconds 4 --kills-per-second 0 \
	--stops-per-second 0 2>&1)
status=$?
printf '%s\n' "$out"
[ "$status" -eq 1 ] || {
	echo "exit status $status, not 1"
	exit 1
}
printf '%s\n' "$out" | grep -q "^  $4: " || {
	echo "no fault of the kind '$4'"
	exit 1
}
