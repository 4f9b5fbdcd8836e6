/* SPDX-License-Identifier: MIT */
/* arena.c - finding blocks: classes, slabs, and what a reference leads to. */
#include "arena.h"

#define SMALL_SLAB  4096u
#define MIDDLE_SLAB 16384u
#define LARGE_SLAB  65536u

/* In steps of 16 to 48, of 64 to 256, then four to each doubling. */
static const uint16_t class_bytes[FY_CLASSES] = { 16,   32,   48,   64,   128,  192,  256,  320,
						  384,  448,  512,  640,  768,  896,  1024, 1280,
						  1536, 1792, 2048, 2560, 3072, 3584, 4096 };

uint32_t fy_class_of(uint64_t size)
{
	if (size <= 48)
		return (uint32_t)(size + 15) / 16 - 1;
	if (size <= 256)
		return 2 + (uint32_t)(size + 63) / 64;
	if (size > 4096)
		return FY_CLASS_RUN;
	uint32_t log2 = 63 - (uint32_t)__builtin_clzll(size - 1);
	return 7 + (log2 - 8) * 4 + (uint32_t)((size - 1) >> (log2 - 2)) - 4;
}

static uint32_t slab_bytes(uint32_t bytes)
{
	return bytes <= 256 ? SMALL_SLAB : bytes <= 1024 ? MIDDLE_SLAB : LARGE_SLAB;
}

/* Blocks, and before them a word for each, in a slab of whole pages. */
static void shape(struct fy_class *class, uint32_t bytes, uint32_t page_log2)
{
	uint32_t wanted = slab_bytes(bytes) >> page_log2;

	class->bytes = bytes;
	class->inverse = ((UINT64_C(1) << FY_INVERSE_LOG2) + bytes - 1) / bytes;
	class->pages = wanted ? wanted : 1;
	uint64_t in_all = (uint64_t) class->pages << page_log2;
	class->blocks = (uint32_t)(in_all / (bytes + sizeof(uint64_t)));
	class->data =
	    (uint32_t)(class->blocks * sizeof(uint64_t) + FY_LINE - 1) / FY_LINE * FY_LINE;
	while (class->data + (uint64_t) class->blocks * bytes > in_all)
		class->blocks--;
}

void fy_arena_attach(struct ferry_segment *segment)
{
	uint8_t *body = segment->object.base + segment->object.body;
	const struct fy_segment_layout *l = &segment->layout;

	segment->pages = (_Atomic uint64_t *)(void *)(body + l->pages);
	segment->runs = (_Atomic uint64_t *)(void *)(body + l->runs);
	segment->rooms = (_Atomic uint8_t *)(void *)(body + l->rooms);
	for (uint32_t i = 0; i < FY_CLASSES; i++)
		shape(&segment->classes[i], class_bytes[i], l->page_log2);
}

void fy_block_at(const struct ferry_segment *segment, uint32_t head, uint64_t slab, uint32_t index,
		 struct fy_block *ret_block)
{
	const struct fy_class *class = &segment->classes[fy_word_class(slab)];
	uint64_t at = segment->memory + ((uint64_t)head << segment->layout.page_log2);

	*ret_block = (struct fy_block){
		.word = (_Atomic uint64_t *)(void *)(segment->object.base + at) + index,
		.key = segment->key,
		.offset = at + class->data + (uint64_t)index * class->bytes,
		.bytes = class->bytes,
		.head = head,
		.generation = fy_word_generation(slab),
		.class = fy_word_class(slab),
		.index = index,
	};
}

int fy_slab_is_sound(struct ferry_segment *segment, uint32_t head, uint64_t word)
{
	uint32_t pages = fy_arena_pages(segment);

	return fy_word_kind(word) == FY_PAGE_SLAB && fy_word_class(word) < FY_CLASSES &&
	       head < pages && segment->classes[fy_word_class(word)].pages <= pages - head;
}

static int find_in_slab(struct ferry_segment *segment, uint64_t within, uint32_t head,
			uint64_t slab, struct fy_block *ret_block)
{
	if (!fy_slab_is_sound(segment, head, slab))
		return -FERRY_EBLOCK;
	const struct fy_class *class = &segment->classes[fy_word_class(slab)];
	uint64_t at = within - ((uint64_t)head << segment->layout.page_log2);
	if (at < class->data || at - class->data >= (uint64_t) class->blocks * class->bytes)
		return -FERRY_EBLOCK;
	uint64_t from_first = at - class->data;
	uint32_t index = (uint32_t)(from_first * class->inverse >> FY_INVERSE_LOG2);
	if ((uint64_t)index * class->bytes != from_first)
		return -FERRY_EBLOCK;
	fy_block_at(segment, head, slab, index, ret_block);
	return 0;
}

static int is_whole_block(uint64_t word)
{
	enum fy_segment_state state = fy_word_kind(word);

	return state == FY_BLOCK_OWNED || state == FY_BLOCK_PUBLISHING ||
	       state == FY_BLOCK_PUBLISHED || state == FY_BLOCK_TAKING;
}

static int find_run(struct ferry_segment *segment, uint64_t within, uint32_t page, uint64_t word,
		    struct fy_block *ret_block)
{
	uint32_t n;
	uint32_t generation;
	uint32_t page_log2 = segment->layout.page_log2;

	if (within != (uint64_t)page << page_log2 || !is_whole_block(word) ||
	    fy_run_read(segment, page, word, &n, &generation) < 0)
		return -FERRY_EBLOCK;
	*ret_block = (struct fy_block){
		.word = &segment->pages[page],
		.offset = segment->memory + within,
		.bytes = (uint64_t)n << page_log2,
		.head = page,
		.generation = generation,
		.class = FY_CLASS_RUN,
	};
	return 0;
}

int fy_block_find(struct ferry_segment *segment, uint64_t reference, struct fy_block *ret_block)
{
	if (!fy_segment_holds(segment, reference, 1))
		return -FERRY_EBLOCK;
	uint64_t within = reference - segment->memory;
	uint32_t page = (uint32_t)(within >> segment->layout.page_log2);
	uint64_t word = fy_page_load(segment, page);
	if (fy_word_kind(word) == FY_PAGE_SLAB)
		return find_in_slab(segment, within, page, word, ret_block);
	if (fy_word_kind(word) != FY_PAGE_BODY)
		return find_run(segment, within, page, word, ret_block);
	uint32_t head = fy_word_head(word);
	if (head >= page)
		return -FERRY_EBLOCK;
	uint64_t slab = fy_page_load(segment, head);
	if (fy_word_generation(slab) != fy_word_generation(word))
		return -FERRY_EBLOCK;
	return find_in_slab(segment, within, head, slab, ret_block);
}

uint32_t fy_run_stride(const struct ferry_segment *segment, uint32_t page, uint64_t word)
{
	/* Only what is complete has a length to rely on. */
	if (fy_word_kind(word) != FY_PAGE_SLAB && !is_whole_block(word))
		return 1;
	/* RELAXED(only how far to skip; what is there is looked at for itself) */
	uint32_t n = (uint32_t)atomic_load_explicit(&segment->runs[page], memory_order_relaxed);
	return n == 0 || n > segment->layout.n_pages - page ? 1 : n;
}

int fy_place_is_valid(struct ferry_segment *segment, uint64_t offset)
{
	return offset % sizeof(uint64_t) == 0 &&
	       (fy_segment_holds(segment, offset, sizeof(uint64_t)) ||
		offset == segment->object.body + offsetof(struct fy_segment_shm, roots));
}

uint64_t fy_place_load(const struct ferry_segment *segment, uint64_t offset)
{
	const _Atomic uint64_t *place =
	    (const _Atomic uint64_t *)(const void *)(segment->object.base + offset);

	/* SYNC(arena.place) acquire: pairs with the compare-and-swaps in publish.c. Sequentially
	 * consistent: the word is read first, then the place; see there. */
	return atomic_load_explicit(place, memory_order_seq_cst);
}
