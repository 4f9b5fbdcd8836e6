/* SPDX-License-Identifier: MIT */
/* Pipe calls that must succeed, streams whose bytes know their position, records that show a torn
 * or foreign byte. */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"
#include "check.h"

struct stream stream_pair(const struct ferry_pipe_options *options)
{
	struct stream stream = { NULL, NULL };

	check_eq(ferry_pipe_pair(&stream.reader, &stream.writer, options), 0);
	check(stream.reader && stream.writer);
	return stream;
}

ferry_pipe *stream_open(const char *location, uint32_t end,
			const struct ferry_pipe_options *options)
{
	ferry_pipe *pipe = NULL;

	check_eq(ferry_pipe_open(&pipe, location, end, options,
				 end == FERRY_READ ? FERRY_NOW : box_patience()),
		 0);
	check(pipe);
	return pipe;
}

struct stream stream_meet(const char *location, const struct ferry_pipe_options *options)
{
	struct stream stream;

	stream.reader = stream_open(location, FERRY_READ, options);
	stream.writer = stream_open(location, FERRY_WRITE, options);
	return stream;
}

void stream_close(struct stream *stream)
{
	ferry_pipe_close(stream->reader);
	ferry_pipe_close(stream->writer);
	stream->reader = NULL;
	stream->writer = NULL;
}

void stream_end(struct stream *stream, const char *location)
{
	stream_close(stream);
	check_eq(ferry_remove(location, NULL), 0);
}

struct ferry_pipe_stat stream_stat(ferry_pipe *pipe)
{
	struct ferry_pipe_stat stat;

	check_eq(ferry_pipe_stat(pipe, &stat), 0);
	return stat;
}

void stream_write(ferry_pipe *writer, const char *text)
{
	const size_t size = strlen(text);

	check_eq(ferry_pipe_write(writer, text, size, FERRY_NOW), size);
}

void stream_expect(ferry_pipe *reader, const char *text)
{
	const size_t size = strlen(text);
	char got[512];

	check(size <= sizeof got);
	check_eq(ferry_pipe_read(reader, got, size, FERRY_NOW), size);
	check(!memcmp(got, text, size));
}

void stream_expect_empty(ferry_pipe *reader)
{
	char byte;

	check_eq(ferry_pipe_read(reader, &byte, 1, FERRY_NOW), -EAGAIN);
}

void stream_expect_end(ferry_pipe *reader)
{
	char byte;

	check_eq(ferry_pipe_read(reader, &byte, 1, box_patience()), 0);
}

static unsigned char byte_at(uint64_t position)
{
	return (unsigned char)(((position / 251 + 1) * 0x9e3779b97f4a7c15u + position) >> 32 ^
			       position);
}

void stream_fill(void *data, uint64_t at, size_t size)
{
	unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		bytes[i] = byte_at(at + i);
}

void stream_match(const void *data, uint64_t at, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		if (bytes[i] != byte_at(at + i))
			check_failed(__FILE__, __LINE__, "byte %ju of the stream is another",
				     (uintmax_t)(at + i));
}

void stream_write_at(ferry_pipe *writer, uint64_t at, size_t size, ferry_deadline deadline)
{
	unsigned char *data = malloc(size ? size : 1);

	check(data);
	stream_fill(data, at, size);
	check_eq(ferry_pipe_write(writer, data, size, deadline), size);
	free(data);
}

void stream_expect_at(ferry_pipe *reader, uint64_t at, size_t size, ferry_deadline deadline)
{
	unsigned char *data = malloc(size ? size : 1);

	check(data);
	for (size_t done = 0; done < size;) {
		const ssize_t n = ferry_pipe_read(reader, data, size - done, deadline);

		if (n <= 0)
			check_failed(__FILE__, __LINE__, "%zd with %zu of %zu bytes read", n, done,
				     size);
		stream_match(data, at + done, (size_t)n);
		done += (size_t)n;
	}
	free(data);
}

uint64_t stream_brim(ferry_pipe *writer, uint64_t at)
{
	unsigned char data[RECORD_MOST];
	uint64_t total = 0;

	for (size_t size = sizeof data; size; size /= 2)
		for (ssize_t n;; total += (uint64_t)n) {
			stream_fill(data, at + total, size);
			n = ferry_pipe_write(writer, data, size, FERRY_NOW);
			if (n < 0)
				check_eq(n, -EAGAIN);
			if (n <= 0)
				break;
		}
	return total;
}

uint64_t stream_empty(ferry_pipe *reader)
{
	static _Thread_local unsigned char data[65536];
	uint64_t total = 0;
	ssize_t n;

	while ((n = ferry_pipe_read(reader, data, sizeof data, FERRY_NOW)) > 0)
		total += (uint64_t)n;
	check(n == 0 || n == -EAGAIN);
	return total;
}

static uint64_t sum_of(const struct record *record)
{
	return (record->number * 0x9e3779b97f4a7c15u ^ record->writer) * 0xff51afd7ed558ccdu +
	       record->size;
}

static uint64_t name_of(const struct record *record)
{
	return (uint64_t)record->writer << 40 ^ record->number;
}

void record_make(void *data, uint32_t size, uint32_t writer, uint64_t number)
{
	struct record record = { .size = size, .writer = writer, .number = number };

	check(size >= sizeof record);
	record.sum = sum_of(&record);
	memcpy(data, &record, sizeof record);
	stream_fill((char *)data + sizeof record, name_of(&record), size - sizeof record);
}

ssize_t record_write(ferry_pipe *pipe, uint32_t size, uint32_t writer, uint64_t number,
		     ferry_deadline deadline)
{
	unsigned char *data = malloc(size);
	ssize_t n;

	check(data);
	record_make(data, size, writer, number);
	n = ferry_pipe_write(pipe, data, size, deadline);
	free(data);
	return n;
}

/* All of size bytes; how many, which is fewer at the end of file; or an error before the first. */
static ssize_t read_fully(ferry_pipe *reader, void *data, size_t size, ferry_deadline deadline)
{
	size_t done = 0;

	while (done < size) {
		const ssize_t n = ferry_pipe_read(reader, (char *)data + done, size - done,
						  done ? box_patience() : deadline);

		if (n < 0 && done)
			check_failed(__FILE__, __LINE__, "%s in the middle of a record",
				     ferry_error_name((int)n));
		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int record_read(ferry_pipe *reader, struct record *ret_record, ferry_deadline deadline)
{
	struct record record;
	unsigned char data[RECORD_MOST];
	ssize_t n = read_fully(reader, &record, sizeof record, deadline);

	if (n <= 0)
		return (int)n;
	check_eq(n, sizeof record);
	check_eq(record.sum, sum_of(&record));
	check(record.size >= sizeof record && record.size <= sizeof record + sizeof data);
	n = read_fully(reader, data, record.size - sizeof record, box_patience());
	check_eq(n, record.size - sizeof record);
	stream_match(data, name_of(&record), (size_t)n);
	*ret_record = record;
	return 1;
}
