/* A machine that fails and whose clock leaps, for the process that loads this library (LD_PRELOAD).

   FAULT_UNDER   counts the calls that change, open, sync or lock something under this folder
   FAULT_NUMBER  the call that fails; 0 for none
   FAULT_ERRNO   with this error
   FAULT_ONWARDS set: this call and all later ones of its process fail
   FAULT_LOG     gets a line for each call: its number, its name, its path
   FAULT_IF      the name of a variable: without it in its environment, a process has no faults
   CLOCK_AHEAD   a file with the seconds by which the wall clock is ahead; it is read at each look at the clock

   The variables are read late: a fork gets its own after it was made. Monotonic time is left alone, as on a real machine
   whose clock is set. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define NEXT(name) \
  static __typeof__(&name) next; \
  if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static char under[PATH_MAX];
static size_t under_length;
static long number;
static int error, onwards, log_file = -1;
static atomic_long calls;

static int counts(void) {
  if (under_length) return 1;
  const char *folder = getenv("FAULT_UNDER"), *needed = getenv("FAULT_IF");
  if (!folder || (needed && !getenv(needed))) return 0;
  number = atol(getenv("FAULT_NUMBER"));
  error = atoi(getenv("FAULT_ERRNO"));
  onwards = getenv("FAULT_ONWARDS") != NULL;
  log_file = syscall(SYS_openat, AT_FDCWD, getenv("FAULT_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  strncpy(under, folder, PATH_MAX - 1);
  under_length = strlen(under);
  return 1;
}

static int fails(const char *name, const char *path) {
  char whole[2 * PATH_MAX], line[2 * PATH_MAX + 100];
  whole[0] = 0;
  if (path[0] != '/') {
    if (syscall(SYS_getcwd, whole, PATH_MAX) < 0) return 0;
    strcat(whole, "/");
  }
  strncat(whole, path, PATH_MAX - 1);
  if (strncmp(whole, under, under_length) != 0) return 0;
  long mine = atomic_fetch_add(&calls, 1) + 1;
  int is_one = number > 0 && (mine == number || (onwards && mine > number));
  int size = snprintf(line, sizeof line, "%ld %s %s%s\n", mine, name, whole + under_length, is_one ? " FAILED" : "");
  syscall(SYS_write, log_file, line, size);
  if (is_one) errno = error;
  return is_one;
}

static int fails_at(const char *name, int file) {
  char link[64], path[PATH_MAX];
  int before = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t size = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  errno = before;
  if (size <= 0 || path[0] != '/') return 0;
  path[size] = 0;
  return fails(name, path);
}

#define ON_PATH(type, name, declared, path, given) \
  type name declared { NEXT(name); if (counts() && fails(#name, path)) return -1; return next given; }
#define ON_FILE(type, name, declared, file, given) \
  type name declared { NEXT(name); if (counts() && fails_at(#name, file)) return -1; return next given; }

#define OPENING(name, declared, path, given) \
  int name declared { \
    NEXT(name); \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); } \
    if (counts() && fails("open", path)) return -1; \
    return next given; \
  }
OPENING(open, (const char *path, int flags, ...), path, (path, flags, mode))
OPENING(open64, (const char *path, int flags, ...), path, (path, flags, mode))
OPENING(openat, (int at, const char *path, int flags, ...), path, (at, path, flags, mode))
OPENING(openat64, (int at, const char *path, int flags, ...), path, (at, path, flags, mode))

ON_PATH(int, mkdir, (const char *path, mode_t mode), path, (path, mode))
ON_PATH(int, rmdir, (const char *path), path, (path))
ON_PATH(int, unlink, (const char *path), path, (path))
ON_PATH(int, unlinkat, (int at, const char *path, int flags), path, (at, path, flags))
ON_PATH(int, rename, (const char *from, const char *path), path, (from, path))
ON_PATH(int, symlink, (const char *to, const char *path), path, (to, path))
ON_PATH(int, chmod, (const char *path, mode_t mode), path, (path, mode))

ON_FILE(ssize_t, write, (int file, const void *data, size_t size), file, (file, data, size))
ON_FILE(ssize_t, writev, (int file, const struct iovec *data, int size), file, (file, data, size))
ON_FILE(ssize_t, pwrite, (int file, const void *data, size_t size, off_t at), file, (file, data, size, at))
ON_FILE(ssize_t, pwrite64, (int file, const void *data, size_t size, off64_t at), file, (file, data, size, at))
ON_FILE(int, fsync, (int file), file, (file))
ON_FILE(int, fdatasync, (int file), file, (file))
ON_FILE(int, ftruncate, (int file, off_t size), file, (file, size))
ON_FILE(int, ftruncate64, (int file, off64_t size), file, (file, size))
ON_FILE(int, flock, (int file, int kind), file, (file, kind))

#define LOCKING(name) \
  int name(int file, int command, ...) { \
    NEXT(name); \
    va_list more; va_start(more, command); void *argument = va_arg(more, void *); va_end(more); \
    if (counts() && (command == F_SETLK || command == F_SETLKW) && ((struct flock *)argument)->l_type != F_UNLCK \
        && fails_at("lock", file)) return -1; \
    return next(file, command, argument); \
  }
LOCKING(fcntl)
LOCKING(fcntl64)

/* The wall clock. */

static long leap(void) {
  char text[32];
  int before = errno;
  const char *ahead = getenv("CLOCK_AHEAD");
  if (!ahead) return 0;
  int file = syscall(SYS_openat, AT_FDCWD, ahead, O_RDONLY | O_CLOEXEC);
  ssize_t size = file < 0 ? 0 : syscall(SYS_read, file, text, sizeof text - 1);
  if (file >= 0) syscall(SYS_close, file);
  errno = before;
  text[size > 0 ? size : 0] = 0;
  return atol(text);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = syscall(SYS_clock_gettime, clock, now);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += leap();
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec precise;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *where) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (where) *where = now.tv_sec;
  return now.tv_sec;
}

int timespec_get(struct timespec *now, int base) {
  if (base != TIME_UTC) return 0;
  clock_gettime(CLOCK_REALTIME, now);
  return base;
}

/* The kernel knows nothing of our leap: an instant of our wall clock is brought back to its own. */
static struct timespec kernels(const struct timespec *until) {
  struct timespec result = *until, wall, steady;
  clock_gettime(CLOCK_REALTIME, &wall);
  clock_gettime(CLOCK_MONOTONIC, &steady);
  if (labs(until->tv_sec - wall.tv_sec) < labs(until->tv_sec - steady.tv_sec)) result.tv_sec -= leap();
  return result;
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
  static int (*next)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
  if (!next) next = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
  if (!next) next = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
  struct timespec real = kernels(until);
  return next(cond, mutex, &real);
}

int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex, const struct timespec *restrict until) {
  NEXT(cnd_timedwait);
  struct timespec real = kernels(until);
  return next(cond, mutex, &real);
}
