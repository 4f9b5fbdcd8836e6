/* SPDX-License-Identifier: MIT */
/*
 * backtrace.c - see backtrace.h.
 *
 * Three things that are safe in a handler, each checked for it: libc's unwinder once it is loaded
 * (it finds unwind tables through _dl_find_object(3), which takes no lock), names out of the loaded
 * objects' own symbol tables (dladdr(3) would take the loader's lock), and memory read through the
 * kernel, which answers EFAULT where we would fault.
 */
#include "backtrace.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <string.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

static char own_path[512];

void fy_backtrace_prepare(void)
{
	void *frame[1];
	ssize_t n = readlink("/proc/self/exe", own_path, sizeof(own_path) - 1);

	own_path[n > 0 ? n : 0] = '\0';
	(void)backtrace(frame, 1); /* loads the unwinder */
}

/* ---- registers ---- */

struct named_register {
	const char *name;
	uint64_t value;
};

#if defined(__x86_64__)
#define REGISTERS 18
static void read_registers(const ucontext_t *context, struct named_register ret_registers[])
{
	static const struct {
		const char *name;
		int at;
	} names[REGISTERS] = {
		{ "rax", REG_RAX }, { "rbx", REG_RBX }, { "rcx", REG_RCX }, { "rdx", REG_RDX },
		{ "rsi", REG_RSI }, { "rdi", REG_RDI }, { "rbp", REG_RBP }, { "rsp", REG_RSP },
		{ "r8 ", REG_R8 },  { "r9 ", REG_R9 },  { "r10", REG_R10 }, { "r11", REG_R11 },
		{ "r12", REG_R12 }, { "r13", REG_R13 }, { "r14", REG_R14 }, { "r15", REG_R15 },
		{ "rip", REG_RIP }, { "efl", REG_EFL },
	};
	for (int i = 0; i < REGISTERS; i++) {
		ret_registers[i].name = names[i].name;
		ret_registers[i].value = (uint64_t)context->uc_mcontext.gregs[names[i].at];
	}
}

uintptr_t fy_backtrace_pc(const void *context)
{
	return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
}

uintptr_t fy_backtrace_sp(const void *context)
{
	return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];
}

static uintptr_t frame_pointer(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.gregs[REG_RBP];
}

/* After a call to nowhere the return address is on top of the stack. */
static uintptr_t return_address(const ucontext_t *context);
#define RETURN_ADDRESS_ON_STACK 1

#elif defined(__aarch64__)
#define REGISTERS 34
static void read_registers(const ucontext_t *context, struct named_register ret_registers[])
{
	static const char *const names[REGISTERS] = {
		"x0 ", "x1 ", "x2 ", "x3 ", "x4 ", "x5 ", "x6 ", "x7 ", "x8 ", "x9 ", "x10", "x11",
		"x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23",
		"x24", "x25", "x26", "x27", "x28", "fp ", "lr ", "sp ", "pc ", "pst",
	};
	for (int i = 0; i < REGISTERS; i++)
		ret_registers[i].name = names[i];
	for (int i = 0; i < 31; i++)
		ret_registers[i].value = context->uc_mcontext.regs[i];
	ret_registers[31].value = context->uc_mcontext.sp;
	ret_registers[32].value = context->uc_mcontext.pc;
	ret_registers[33].value = context->uc_mcontext.pstate;
}

uintptr_t fy_backtrace_pc(const void *context)
{
	return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.pc;
}

uintptr_t fy_backtrace_sp(const void *context)
{
	return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.sp;
}

static uintptr_t frame_pointer(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.regs[29];
}

static uintptr_t return_address(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.regs[30];
}

#else
#define REGISTERS 1
static void read_registers(const ucontext_t *context, struct named_register ret_registers[])
{
	(void)context;
	ret_registers[0] = (struct named_register){ "(not known on this processor)", 0 };
}

uintptr_t fy_backtrace_pc(const void *context)
{
	(void)context;
	return 0;
}

uintptr_t fy_backtrace_sp(const void *context)
{
	(void)context;
	return 0;
}

static uintptr_t frame_pointer(const ucontext_t *context)
{
	(void)context;
	return 0;
}

static uintptr_t return_address(const ucontext_t *context)
{
	(void)context;
	return 0;
}
#endif

void fy_backtrace_registers(struct fy_text *text, const void *context)
{
	struct named_register registers[REGISTERS];

	read_registers(context, registers);
	for (int i = 0; i < REGISTERS; i++) {
		fy_text_put(text, i % 4 == 0 ? "  " : " ");
		fy_text_put(text, registers[i].name);
		fy_text_put(text, " ");
		fy_text_hex(text, registers[i].value, 16);
		if (i % 4 == 3 || i == REGISTERS - 1)
			fy_text_put(text, "\n");
	}
}

/* ---- the stack ---- */

/* Two words at an address of our own. 1, or 0 where there is no memory. */
static int read_words(uintptr_t address, uintptr_t ret_words[2])
{
	struct iovec here = { .iov_base = ret_words, .iov_len = 2 * sizeof(uintptr_t) };
	struct iovec there = { .iov_base = (void *)address, .iov_len = here.iov_len };

	return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)here.iov_len;
}

#ifdef RETURN_ADDRESS_ON_STACK
static uintptr_t return_address(const ucontext_t *context)
{
	uintptr_t words[2];

	return read_words(fy_backtrace_sp(context), words) ? words[0] : 0;
}
#endif

static int is_code(uintptr_t address)
{
	struct dl_find_object found;

	return address != 0 && _dl_find_object((void *)address, &found) == 0;
}

void fy_backtrace(const void *context, void *ret_frames[FY_FRAMES], volatile int *ret_n)
{
	void *all[FY_FRAMES + 8]; /* ours, the kernel's and then the interrupted code's */
	uintptr_t pc = fy_backtrace_pc(context);
	int n = backtrace(all, FY_FRAMES + 8);

	*ret_n = 0;
	for (int i = 0; i < n; i++)
		if ((uintptr_t)all[i] == pc || *ret_n > 0) {
			if (*ret_n == FY_FRAMES)
				return;
			ret_frames[*ret_n] = all[i];
			*ret_n = *ret_n + 1;
		}
}

void fy_backtrace_by_frame_pointers(const void *context, void *ret_frames[FY_FRAMES],
				    volatile int *ret_n)
{
	uintptr_t frame[2];
	uintptr_t at = frame_pointer(context);
	uintptr_t back = return_address(context);
	uintptr_t least = fy_backtrace_sp(context);
	uintptr_t pc = fy_backtrace_pc(context);
	int n = 0;

	ret_frames[n++] = (void *)pc;
	if (is_code(back))
		ret_frames[n++] = (void *)back;
	/* Frames lie one above the other; what does not is no chain of frames. */
	while (n < FY_FRAMES && at >= least && at % sizeof(at) == 0 && read_words(at, frame)) {
		if (!is_code(frame[1]))
			break;
		if (frame[1] != back)
			ret_frames[n++] = (void *)frame[1];
		least = at + 1;
		at = frame[0];
	}
	*ret_n = n;
}

/* ---- names ---- */

/* The parts of a loaded object's dynamic section that name functions. */
struct symbols {
	const ElfW(Sym) * table;
	const char *strings;
	size_t n;
};

/* libc relocates these entries in place, but not for every object. */
static const void *located(const struct link_map *object, uintptr_t value)
{
	return (const void *)(value < object->l_addr ? value + object->l_addr : value);
}

/* DT_GNU_HASH has no count: the last chain's end is the last symbol. */
static size_t count_gnu_hash(const uint32_t *hash)
{
	uint32_t buckets = hash[0];
	uint32_t first = hash[1];
	const uint32_t *bucket = hash + 4 + hash[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
	const uint32_t *chain = bucket + buckets;
	uint32_t last = 0;

	for (uint32_t i = 0; i < buckets; i++)
		last = bucket[i] > last ? bucket[i] : last;
	if (last < first)
		return first;
	while (!(chain[last - first] & 1))
		last++;
	return last + 1;
}

static struct symbols symbols_of(const struct link_map *object)
{
	struct symbols symbols = { 0 };

	for (const ElfW(Dyn) *d = object->l_ld; d && d->d_tag != DT_NULL; d++) {
		const void *at = located(object, d->d_un.d_ptr);
		if (d->d_tag == DT_SYMTAB)
			symbols.table = at;
		else if (d->d_tag == DT_STRTAB)
			symbols.strings = at;
		else if (d->d_tag == DT_HASH && symbols.n == 0)
			symbols.n = ((const uint32_t *)at)[1];
		else if (d->d_tag == DT_GNU_HASH)
			symbols.n = count_gnu_hash(at);
	}
	return symbols;
}

/* The exported function that an offset in the object lies in, or NULL. */
static const ElfW(Sym) * function_at(const struct symbols *symbols, uintptr_t offset)
{
	for (size_t i = 0; symbols->table && symbols->strings && i < symbols->n; i++) {
		const ElfW(Sym) *s = &symbols->table[i];
		int type = s->st_info & 0xf;
		if ((type == STT_FUNC || type == STT_GNU_IFUNC) && s->st_shndx != SHN_UNDEF &&
		    offset >= s->st_value && offset - s->st_value < s->st_size)
			return s;
	}
	return NULL;
}

void fy_backtrace_name(struct fy_text *text, const void *address, int is_return)
{
	struct dl_find_object found;
	/* A return address may be the first byte of the next function. */
	uintptr_t at = (uintptr_t)address - (is_return ? 1 : 0);

	if (_dl_find_object((void *)at, &found) != 0) {
		fy_text_put(text, "(no code is loaded there)");
		return;
	}
	const struct link_map *object = found.dlfo_link_map;
	const char *path = object->l_name && object->l_name[0] != '\0' ? object->l_name : own_path;
	struct symbols symbols = symbols_of(object);
	const ElfW(Sym) *function = function_at(&symbols, at - object->l_addr);
	if (function) {
		fy_text_put_name(text, symbols.strings + function->st_name, 256);
		fy_text_put(text, "+");
		fy_text_hex(text, (uintptr_t)address - object->l_addr - function->st_value, 1);
		fy_text_put(text, " ");
	}
	fy_text_put(text, "(");
	fy_text_put_name(text, path, 256);
	fy_text_put(text, "+");
	fy_text_hex(text, (uintptr_t)address - object->l_addr, 1);
	fy_text_put(text, ")");
}
