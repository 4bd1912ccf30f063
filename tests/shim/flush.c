/* Preloaded into a hub under test: stands between it and the disk, for files under one folder.
 *
 * WEIR_SHIM_UNDER    the folder; files elsewhere, and shared memory of SQLite, are left alone.
 * WEIR_SHIM_CONTROL  a folder whose files say what happens, looked at in each call:
 *                      hold     flushes wait until it is gone
 *                      hold-log flushes of files of the access log do
 *                      eio      flushes fail, from the n-th one on that it says (the first)
 *                      full     writes find no room, from the n-th one on that it says (the first)
 *                      swallow  flushes say that they were done and are not
 * WEIR_SHIM_DELAY    flushes take so many microseconds longer.
 * WEIR_SHIM_JOURNAL  a file that is told, in order: what was written where, names made, changed and
 *                    taken away, flushes begun and ended, bytes sent to sockets.
 *
 * A record is: what u8, path length u16, second path length u16, descriptor u32, offset u64,
 * length u64, then path, second path, bytes; numbers of this machine's order. What: W write,
 * T cut to length, O made or opened for writing, R renamed, U unlinked, B flush begun, E flush ended,
 * F flush failed, S sent. One append each, so that others can write records of their own between. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *under, *control;
static int journal = -1;
static long flushes, writes, longer;

static void start(void) {
    under = getenv("WEIR_SHIM_UNDER");
    control = getenv("WEIR_SHIM_CONTROL");
    const char *to = getenv("WEIR_SHIM_JOURNAL"), *delay = getenv("WEIR_SHIM_DELAY");
    if (delay) longer = atol(delay);
    if (to) journal = syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static int is_ours(const char *path) {
    pthread_once(&once, start);
    if (!under || strncmp(path, under, strlen(under)) != 0) return 0;
    size_t len = strlen(path);
    return len < 4 || strcmp(path + len - 4, "-shm") != 0;
}

/* Absolute name behind a descriptor; 0 where it is not one of ours. */
static int name_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (len < 0) return 0;
    path[len] = 0;
    return is_ours(path);
}

static int is_log(const char *path) {
    const char *name = strrchr(path, '/');
    return name && strncmp(name, "/audit-", 7) == 0;
}

/* What a file of the control folder says: -1 where there is none, 0 where it is empty. */
static long told(const char *what) {
    if (!control) return -1;
    char path[PATH_MAX], text[32];
    snprintf(path, sizeof path, "%s/%s", control, what);
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return -1;
    ssize_t len = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    text[len > 0 ? len : 0] = 0;
    return atol(text);
}

/* Whether the n-th call since the file was there is to fail. Under the lock. */
static int fails(const char *what, long *count) {
    long from = told(what);
    if (from < 0) {
        *count = 0;
        return 0;
    }
    return ++*count >= from;
}

static void record(char what, const char *path, const char *second, int fd, uint64_t offset,
                   const struct iovec *bytes, int count) {
    if (journal < 0) return;
    uint16_t lens[2] = {strlen(path), strlen(second)};
    uint32_t number = fd;
    uint64_t all = 0;
    for (int i = 0; i < count; i++) all += bytes[i].iov_len;
    size_t len = 25 + lens[0] + lens[1] + all;
    char *out = malloc(len), *at = out;
    if (!out) abort();
    *at++ = what;
    at = mempcpy(at, lens, 4);
    at = mempcpy(at, &number, 4);
    at = mempcpy(at, &offset, 8);
    at = mempcpy(at, &all, 8);
    at = mempcpy(at, path, lens[0]);
    at = mempcpy(at, second, lens[1]);
    for (int i = 0; i < count; i++) at = mempcpy(at, bytes[i].iov_base, bytes[i].iov_len);
    /* A journal that is not whole proves nothing. */
    if (syscall(SYS_write, journal, out, len) != (ssize_t)len) abort();
    free(out);
}

static ssize_t written(int fd, const void *bytes, size_t len, off_t offset, int placed) {
    char path[PATH_MAX];
    pthread_once(&once, start);
    /* Where nobody is told and nothing can fail, nothing is looked up: it would be measured with the rest. */
    if ((journal < 0 && !control) || !name_of(fd, path))
        return placed ? syscall(SYS_pwrite64, fd, bytes, len, offset) : syscall(SYS_write, fd, bytes, len);
    pthread_mutex_lock(&order);
    ssize_t done = -1;
    if (fails("full", &writes)) {
        errno = ENOSPC;
    } else if (placed) {
        done = syscall(SYS_pwrite64, fd, bytes, len, offset);
    } else {
        done = syscall(SYS_write, fd, bytes, len);
        /* Where it went: at the end where the file is appended to, else where the last one ended. */
        offset = lseek(fd, 0, SEEK_CUR) - (done > 0 ? done : 0);
    }
    int why = errno;
    if (done > 0) {
        struct iovec one = {(void *)bytes, done};
        record('W', path, "", fd, offset, &one, 1);
    }
    pthread_mutex_unlock(&order);
    errno = why;
    return done;
}

ssize_t write(int fd, const void *bytes, size_t len) { return written(fd, bytes, len, 0, 0); }
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at) { return written(fd, bytes, len, at, 1); }
ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at) { return written(fd, bytes, len, at, 1); }

int ftruncate(int fd, off_t len) {
    char path[PATH_MAX];
    int ours = name_of(fd, path);
    if (ours) pthread_mutex_lock(&order);
    int done = syscall(SYS_ftruncate, fd, len), why = errno;
    if (ours && done == 0) record('T', path, "", fd, len, 0, 0);
    if (ours) pthread_mutex_unlock(&order);
    errno = why;
    return done;
}
int ftruncate64(int fd, off_t len) { return ftruncate(fd, len); }

static int opened(int dir, const char *name, int flags, mode_t mode) {
    pthread_once(&once, start);
    if (!(flags & (O_CREAT | O_TRUNC)) || !under) return syscall(SYS_openat, dir, name, flags, mode);
    pthread_mutex_lock(&order);
    int fd = syscall(SYS_openat, dir, name, flags, mode), why = errno;
    char path[PATH_MAX];
    if (fd >= 0 && name_of(fd, path)) {
        record('O', path, "", fd, 0, 0, 0);
        if (flags & O_TRUNC) record('T', path, "", fd, 0, 0, 0);
    }
    pthread_mutex_unlock(&order);
    errno = why;
    return fd;
}

#define OPENED(dir)                                        \
    va_list more;                                          \
    va_start(more, flags);                                 \
    mode_t mode = flags & O_CREAT ? va_arg(more, int) : 0; \
    va_end(more);                                          \
    return opened(dir, name, flags, mode)

int open(const char *name, int flags, ...) { OPENED(AT_FDCWD); }
int open64(const char *name, int flags, ...) { OPENED(AT_FDCWD); }
int openat(int dir, const char *name, int flags, ...) { OPENED(dir); }
int openat64(int dir, const char *name, int flags, ...) { OPENED(dir); }

int rename(const char *from, const char *to) {
    int ours = is_ours(from);
    if (ours) pthread_mutex_lock(&order);
    int done = syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to), why = errno;
    if (ours && done == 0) record('R', from, to, 0, 0, 0, 0);
    if (ours) pthread_mutex_unlock(&order);
    errno = why;
    return done;
}

int unlink(const char *path) {
    int ours = is_ours(path);
    if (ours) pthread_mutex_lock(&order);
    int done = syscall(SYS_unlinkat, AT_FDCWD, path, 0), why = errno;
    if (ours && done == 0) record('U', path, "", 0, 0, 0, 0);
    if (ours) pthread_mutex_unlock(&order);
    errno = why;
    return done;
}

static int flushed(int fd, long call) {
    char path[PATH_MAX];
    if (!name_of(fd, path)) return syscall(call, fd);
    if (told("swallow") >= 0) return 0;
    pthread_mutex_lock(&order);
    record('B', path, "", fd, 0, 0, 0);
    int bad = fails("eio", &flushes);
    pthread_mutex_unlock(&order);
    while (told("hold") >= 0 || (is_log(path) && told("hold-log") >= 0)) usleep(1000);
    int done = bad ? -1 : syscall(call, fd), why = bad ? EIO : errno;
    if (longer > 0) usleep(longer);
    pthread_mutex_lock(&order);
    record(done == 0 ? 'E' : 'F', path, "", fd, 0, 0, 0);
    pthread_mutex_unlock(&order);
    errno = why;
    return done;
}

int fsync(int fd) { return flushed(fd, SYS_fsync); }
int fdatasync(int fd) { return flushed(fd, SYS_fdatasync); }

/* Told before it is sent: whoever has received it finds it in the journal. */
static void sending(int fd, const struct iovec *bytes, int count) {
    pthread_once(&once, start);
    if (journal < 0) return;
    struct stat about;
    if (fstat(fd, &about) != 0 || !S_ISSOCK(about.st_mode)) return;
    pthread_mutex_lock(&order);
    record('S', "", "", fd, 0, bytes, count);
    pthread_mutex_unlock(&order);
}

ssize_t send(int fd, const void *bytes, size_t len, int flags) {
    struct iovec one = {(void *)bytes, len};
    sending(fd, &one, 1);
    return syscall(SYS_sendto, fd, bytes, len, flags, 0, 0);
}

ssize_t writev(int fd, const struct iovec *bytes, int count) {
    sending(fd, bytes, count);
    return syscall(SYS_writev, fd, bytes, count);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    sending(fd, message->msg_iov, message->msg_iovlen);
    return syscall(SYS_sendmsg, fd, message, flags);
}
