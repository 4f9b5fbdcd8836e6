/* SPDX-License-Identifier: MIT */
/* bench_json.c - the report as one JSON object, with the figures of every round. */
#include <sys/utsname.h>

#include <ferry/ferry.h>

#include "bench.h"
#include "bench_time.h"
#include "json.h"

static const char *const metric_names[BENCH_METRICS] = {
	[BENCH_P50] = "p50_ns",
	[BENCH_P99] = "p99_ns",
	[BENCH_P999] = "p99.9_ns",
	[BENCH_RATE] = "per_second",
	[BENCH_BYTES_RATE] = "bytes_per_second",
	[BENCH_DEPTH] = "holds",
	[BENCH_PREEMPTED] = "preempted",
	[BENCH_CREATE] = "create_ns",
	[BENCH_OPEN] = "open_ns",
	[BENCH_CLOSE] = "close_ns",
	[BENCH_RESERVED] = "reserved_bytes",
	[BENCH_LONGEST] = "longest_ns",
	[BENCH_TOUCH] = "touch_page_ns",
	[BENCH_WRITE] = "written_bytes_per_second",
	[BENCH_READ] = "read_bytes_per_second",
	[BENCH_IDLE] = "idle_percent",
};

static json_t *spread_json(const struct bench_spread *spread)
{
	json_t *object = json_object();

	json_put(object, "median", json_real(spread->median));
	json_put(object, "lowest", json_real(spread->low));
	json_put(object, "highest", json_real(spread->high));
	return object;
}

static json_t *metric_json(const struct bench_entry *entry, enum bench_metric metric)
{
	struct bench_spread spread = bench_spread(entry, metric);
	json_t *object = spread_json(&spread), *rounds = json_array();

	for (unsigned i = 0; i < entry->valid; i++)
		json_array_append_new(rounds, json_real(entry->value[metric][i]));
	json_put(object, "rounds", rounds);
	return object;
}

static json_t *entry_json(const struct bench_entry *entry)
{
	json_t *object = json_object();

	json_put(object, "name", json_text(entry->peer->name));
	json_put(object, "waiting", json_text(entry->peer->waits));
	if (!entry->valid)
		json_put(object, "why_not", json_text(entry->why));
	for (unsigned m = 0; m < BENCH_METRICS; m++)
		if (bench_spread(entry, m).high > 0)
			json_put(object, metric_names[m], metric_json(entry, m));
	return object;
}

static json_t *table_json(const struct bench_table *table)
{
	json_t *object = json_object(), *entries = json_array();

	json_put(object, "row", json_text(table->row->name));
	json_put(object, "title", json_text(table->row->title));
	json_put_number(object, "bytes", table->row->bytes);
	for (unsigned i = 0; i < table->n; i++)
		json_array_append_new(entries, entry_json(&table->entry[i]));
	json_put(object, "entries", entries);
	return object;
}

static json_t *target_json(const struct bench_report *report, const struct bench_target *target)
{
	struct bench_spread value = bench_target_value(report, target);
	json_t *object = spread_json(&value);

	json_put(object, "what", json_text(target->what));
	json_put(object, "limit_is", json_text(target->at_most ? "most" : "least"));
	if (target->least > 0)
		json_put(object, "at_least", json_real(target->least));
	if (target->aim > 0)
		json_put(object, "aim", json_real(target->aim));
	json_put(object, "reached", json_text(bench_target_verdict(target, &value)));
	return object;
}

static void put_setup(json_t *object, const struct bench_report *report)
{
	const struct bench_clock *clock = bench_clock();
	struct utsname name;
	char model[128];

	uname(&name);
	json_put(object, "ferry", json_text(ferry_version()));
	json_put(object, "kernel", json_text(name.release));
	json_put(object, "processor", json_text(bench_cpu_model(model, sizeof(model))));
	json_put(object, "cores", json_pack("[ii]", (int)bench_cpus()[0], (int)bench_cpus()[1]));
	json_put(object, "cores_are", json_text(bench_cpus_relation()));
	json_put_number(object, "rounds", report->rounds);
	json_put(object, "seconds", json_real(report->seconds));
	json_put(object, "load_before", json_real(report->load));
	json_put(object, "clock_cost_ns", json_real(clock->cost * clock->ns));
	json_put(object, "clock_step_ns", json_real(clock->step * clock->ns));
}

void bench_print_json(const struct bench_report *report)
{
	json_t *object = json_object(), *tables = json_array(), *targets = json_array();

	json_put(object, "object", json_text(report->family->name));
	put_setup(object, report);
	for (unsigned i = 0; i < report->n; i++)
		json_array_append_new(tables, table_json(&report->table[i]));
	json_put(object, "tables", tables);
	for (const struct bench_target *t = report->family->targets; t->what; t++)
		json_array_append_new(targets, target_json(report, t));
	json_put(object, "promises", targets);
	json_print(object);
}
