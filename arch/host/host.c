/* SPDX-License-Identifier: MIT */
#include "arch/host/host.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "arch/arch.h"
#include "arch/host/device.h"
#include "arch/host/sanitizer.h"
#include "kern/call.h"
#include "kern/percpu.h"
#include "kern/thread.h"
#include "kern/timer.h"

enum {
	PENDING_CALL = 1,
	PENDING_TIMER = 2,
	RELAX_TURNS = 64,       /* of a spin loop before it yields the processor */
	TICKS_PER_MS = 1000000, /* nanoseconds */
	NS_PER_S = 1000000000,
	NAP_US = 50,
};

_Thread_local unsigned host_cpu;
_Thread_local volatile sig_atomic_t host_irq_off;
_Thread_local _Atomic int host_irq_pending;
char *host_meta, *host_direct;
uintptr_t host_biases[ARCH_MAX_CPUS];
static char *areas;

/* All protected by `registry`, which is held with interrupts off. */
struct cpu {
	bool bound, stopped;
	pthread_t thread;
};

static struct cpu cpus[ARCH_MAX_CPUS];
static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local void (*timer_handler)(void);
static _Thread_local timer_t timer; /* of timer_handler */
static _Thread_local timer_t one_shot;
static _Thread_local bool has_one_shot;

/* ---- interrupts ---- */

/* Serve a CPU that no thread is bound to; no thread binds it meanwhile.  Interrupts are off. */
static void act_for(unsigned cpu)
{
	unsigned self = host_cpu;

	host_cpu = cpu;
	call_serve();
	host_irq_dispatch_pending();
	host_cpu = self;
}

/* No thread-local value is kept across thread_preempt(): it may return on another CPU. */
static __noinline HOST_THREAD_LOCAL void deliver_pending(void)
{
	int pending;

	host_irq_off = 1;
	pending = atomic_exchange(&host_irq_pending, 0);
	if ((pending & PENDING_CALL) != 0)
		call_serve();
	host_irq_dispatch_pending();
	if ((pending & PENDING_TIMER) != 0) {
		if (timer_handler != NULL)
			timer_handler();
		timer_interrupt();
	}
}

static __noinline HOST_THREAD_LOCAL bool finish_interrupt(void)
{
	host_irq_off = 0;
	atomic_signal_fence(memory_order_seq_cst);
	return atomic_load(&host_irq_pending) != 0;
}

void host_irq_deliver(void)
{
	do {
		deliver_pending();
		thread_preempt();
	} while (finish_interrupt());
}

/* TSan delivers signals from within its own functions, where a thread switch is not allowed. */
static void deliver_in_signal(void)
{
#ifdef HOST_TSAN
	do
		deliver_pending();
	while (finish_interrupt());
#else
	host_irq_deliver();
#endif
}

void host_irq_suspect(void)
{
	atomic_fetch_or(&host_irq_pending, PENDING_CALL | PENDING_TIMER);
}

static HOST_THREAD_LOCAL void on_signal(int number)
{
	atomic_fetch_or(&host_irq_pending, number == SIGUSR1 ? PENDING_CALL : PENDING_TIMER);
	if (host_irq_off == 0)
		deliver_in_signal();
}

bool arch_irq_off_site(unsigned i, struct arch_irq_off *out)
{
	(void)i;
	(void)out;
	return false;
}

void arch_irq_off_restart(void)
{
}

void arch_cpu_info(unsigned cpu, struct arch_cpu_info *out)
{
	*out = (struct arch_cpu_info){ .id = cpu };
}

err_t arch_backtrace_print(void)
{
	return ERR_NOT_FOUND;
}

bool arch_cpu_is_stopped(unsigned cpu)
{
	return __atomic_load_n(&cpus[cpu].stopped, __ATOMIC_RELAXED);
}

err_t arch_call_interrupt(unsigned cpu)
{
	struct cpu *c = &cpus[cpu];
	uintptr_t irq = arch_irq_save();
	err_t err = OK;

	pthread_mutex_lock(&registry);
	if (c->stopped)
		err = ERR_NOT_FOUND;
	else if (c->bound)
		pthread_kill(c->thread, SIGUSR1);
	else
		act_for(cpu);
	pthread_mutex_unlock(&registry);
	arch_irq_restore(irq);
	return err;
}

void host_cpu_stop(unsigned cpu)
{
	uintptr_t irq = arch_irq_save();

	pthread_mutex_lock(&registry);
	__atomic_store_n(&cpus[cpu].stopped, true, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&registry);
	arch_irq_restore(irq);
}

void host_cpu_bind(unsigned cpu)
{
	uintptr_t irq = arch_irq_save();

	host_cpu = cpu;
	pthread_mutex_lock(&registry);
	cpus[cpu].bound = true;
	cpus[cpu].thread = pthread_self();
	pthread_mutex_unlock(&registry);
	arch_irq_restore(irq);
}

void host_cpu_unbind(void)
{
	struct cpu *c = &cpus[host_cpu];
	uintptr_t irq = arch_irq_save();

	/* posted calls run before another thread may act for this CPU */
	pthread_mutex_lock(&registry);
	call_serve();
	c->bound = false;
	pthread_mutex_unlock(&registry);
	if (has_one_shot)
		timer_delete(one_shot);
	has_one_shot = false;
	arch_irq_restore(irq);
}

/* TSan delays signals, so with it the wait is a short sleep.  Else the signals are blocked from the
 * check for pending interrupts until the wait begins. */
static void wait_for_signal(void)
{
#ifdef HOST_TSAN
	usleep(NAP_US);
#else
	sigset_t both, old;

	sigemptyset(&both);
	sigaddset(&both, SIGUSR1);
	sigaddset(&both, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &both, &old);
	if (atomic_load(&host_irq_pending) == 0)
		sigsuspend(&old);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
#endif
}

/* Tests without threads call idle only to cover it: nothing would wake them. */
void arch_idle(void)
{
	if (thread_self() == NULL)
		sched_yield();
	else
		wait_for_signal();
	arch_irq_on();
	(void)arch_irq_save();
}

/* A timer of this thread's, whose signal is SIGUSR2. */
static timer_t create_timer(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2 };
	timer_t t;

	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &event, &t) != 0) {
		perror("timer");
		exit(1);
	}
	return t;
}

void arch_timer_set(uint64_t deadline)
{
	uint64_t at = deadline == 0 ? 1 : deadline; /* 0 would mean none */
	struct itimerspec once = { { 0, 0 }, { (time_t)(at / NS_PER_S), (long)(at % NS_PER_S) } };

	if (!has_one_shot) {
		one_shot = create_timer();
		has_one_shot = true;
	}
	if (deadline == ARCH_TIMER_NEVER)
		once.it_value = (struct timespec){ 0, 0 };
	timer_settime(one_shot, TIMER_ABSTIME, &once, NULL);
}

void host_timer_start(unsigned us, void (*handler)(void))
{
	struct itimerspec every = { { 0, us * 1000L }, { 0, us * 1000L } };

	timer_handler = handler;
	timer = create_timer();
	if (timer_settime(timer, 0, &every, NULL) != 0) {
		perror("timer");
		exit(1);
	}
}

void host_timer_stop(void)
{
	timer_delete(timer);
	timer_handler = NULL;
}

/* A lock is held for less time than a yield takes; but its holder may have lost the processor. */
void arch_relax_slow(void)
{
	static _Thread_local unsigned turns;

	if (++turns % RELAX_TURNS == 0)
		sched_yield();
	else
		__builtin_ia32_pause();
}

/* ---- memory ---- */

static char *reserve(size_t bytes, int protection)
{
	void *p = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

static void prepare_areas(void)
{
	for (unsigned i = 0; i < ARCH_MAX_CPUS; i++)
		host_biases[i] = percpu_prepare(i, areas + i * percpu_bytes());
}

void host_machine_init(void)
{
	struct sigaction action = { .sa_handler = on_signal,
				    /* a handler may switch to a thread that needs signals */
				    .sa_flags = SA_RESTART | SA_NODEFER };

	if (host_meta != NULL)
		return;
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	host_meta = reserve(HOST_META_BYTES, PROT_NONE);
	host_direct = reserve(HOST_DIRECT_BYTES, PROT_READ | PROT_WRITE);
	areas = reserve(ARCH_MAX_CPUS * percpu_bytes(), PROT_READ | PROT_WRITE);
	prepare_areas();
}

void host_machine_reset(void)
{
	host_machine_init();
	if (mmap(host_meta, HOST_META_BYTES, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED ||
	    mmap(host_direct, HOST_DIRECT_BYTES, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	prepare_areas();
	host_tlb_reset();
	host_device_reset();
	host_irq_reset();
	for (unsigned i = 0; i < ARCH_MAX_CPUS; i++)
		cpus[i].stopped = false;
}

err_t arch_meta_map(vaddr_t va, paddr_t pa, size_t len, struct prange tables, unsigned *used)
{
	char *at = host_meta + (va - (vaddr_t)host_meta);

	(void)pa;
	(void)tables;
	*used = 0;
	return mprotect(at, len, PROT_READ | PROT_WRITE) == 0 ? OK : ERR_NO_MEMORY;
}

err_t arch_direct_extend(paddr_t pa, uint64_t len, struct prange tables, unsigned *used)
{
	(void)pa;
	(void)len;
	(void)tables;
	*used = 0;
	return OK;
}

/* The host's kernel copies, and reports a failure. */
err_t arch_probe_read64(vaddr_t va, uint64_t *out)
{
	uint64_t value;
	struct iovec to = { &value, sizeof(value) }, from = { (void *)va, sizeof(value) };

	if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != (ssize_t)sizeof(value))
		return ERR_BAD_RANGE;
	*out = value;
	return OK;
}

/* A process has no other user than itself.  The host's kernel copies page by page: all of a page or
 * nothing. */
static size_t copy_pages(__typeof__(process_vm_readv) *move, vaddr_t user, void *ours, size_t n)
{
	for (size_t done = 0; done < n;) {
		size_t rest = PT_PAGE_BYTES - (user + done) % PT_PAGE_BYTES;
		size_t part = n - done < rest ? n - done : rest;
		struct iovec here = { (char *)ours + done, part };
		struct iovec there = { (void *)(user + done), part };

		if (move(getpid(), &here, 1, &there, 1, 0) != (ssize_t)part)
			return done;
		done += part;
	}
	return n;
}

/* What the host's kernel refuses is not mapped, as far as can be told. */
static struct user_copied copied_of(size_t n, size_t done)
{
	return (struct user_copied){ done, done == n ? OK : ERR_NOT_FOUND };
}

struct user_copied arch_copy_from_user(void *to, vaddr_t user, size_t n)
{
	return copied_of(n, copy_pages(process_vm_readv, user, to, n));
}

struct user_copied arch_copy_to_user(vaddr_t user, const void *from, size_t n)
{
	return copied_of(n, copy_pages(process_vm_writev, user, (void *)(uintptr_t)from, n));
}

struct user_copied arch_clear_user(vaddr_t user, size_t n)
{
	static char zeros[PT_PAGE_BYTES];
	size_t done = 0, part, moved;

	do {
		part = n - done < sizeof(zeros) ? n - done : sizeof(zeros);
		moved = copy_pages(process_vm_writev, user + done, zeros, part);
		done += moved;
	} while (done < n && moved == part);
	return copied_of(n, done);
}

/* ---- translation: the rest is in tlb.c ---- */

uint64_t arch_memory_type_change(uint64_t pa)
{
	return pa < MIB(1) ? MIB(1) : UINT64_MAX;
}

bool arch_paddr_ok(paddr_t pa)
{
	return pa.raw < TIB(256);
}

/* ---- time, console, the end ---- */

uint64_t host_ticks(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t arch_ticks_per_ms(void)
{
	return TICKS_PER_MS;
}

/* Nanoseconds; a measured rate is ignored. */
void arch_ticks_set_rate(uint64_t per_ms)
{
	(void)per_ms;
}

void arch_console_write(const char *bytes, size_t n)
{
	fwrite(bytes, 1, n, stdout);
}

void arch_exit(enum arch_exit how)
{
	exit(how == ARCH_EXIT_FAIL ? 1 : 0);
}
