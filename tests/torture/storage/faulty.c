/* Preloaded into a process, makes its disk fail as the file named by FAULTY_ORDER says, in one line:

       sync ERRNO END      fsync and fdatasync of files whose path ends so fail
       write ERRNO END     writes to them fail
       readonly ERRNO PART whatever would change a file with PART in its path fails, as after a read-only remount
       tear NTH END        half of the NTH write to such a file is done, then the process dies

   Missing or empty, it asks for nothing. The process's own children run without this. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static int writes;

__attribute__((constructor)) static void begin(void) { unsetenv("LD_PRELOAD"); }

struct order { char verb[16]; int number; char path[256]; };

static int wanted(const char *verb, struct order *found) {
    char line[512];
    const char *order_file = getenv("FAULTY_ORDER"); /* asked anew: a fork is given its own */
    int file = order_file ? (int)syscall(SYS_openat, AT_FDCWD, order_file, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    ssize_t got = syscall(SYS_read, file, line, sizeof line - 1);
    syscall(SYS_close, file);
    if (got <= 0) return 0;
    line[got] = 0;
    return sscanf(line, "%15s %d %255s", found->verb, &found->number, found->path) == 3 && !strcmp(found->verb, verb);
}

static int ends(const char *path, const char *end) {
    size_t have = strlen(path), want = strlen(end);
    return have >= want && !strcmp(path + have - want, end);
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return 1;
}

/* Whether a call on a descriptor fails; sets errno. */
static int fails(const char *verb, int fd) {
    struct order order;
    char path[PATH_MAX];
    int saved = errno, bad = 0;
    if (wanted(verb, &order) && path_of(fd, path)) bad = ends(path, order.path);
    if (!bad && strcmp(verb, "sync") && wanted("readonly", &order) && path_of(fd, path)) bad = strstr(path, order.path) != NULL;
    errno = bad ? order.number : saved;
    return bad;
}

static int readonly(const char *path) {
    struct order order;
    if (!wanted("readonly", &order) || !strstr(path, order.path)) return 0;
    errno = order.number;
    return 1;
}

static ssize_t (*next_pwrite)(int, const void *, size_t, off64_t);

static void tear(int fd, const void *data, size_t size, off64_t at) {
    struct order order;
    char path[PATH_MAX];
    if (!wanted("tear", &order) || !path_of(fd, path) || !ends(path, order.path)) return;
    if (__atomic_add_fetch(&writes, 1, __ATOMIC_SEQ_CST) != order.number) return;
    next_pwrite(fd, data, size / 2, at);
    kill(getpid(), SIGKILL);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int fd) { return fails("sync", fd) ? -1 : NEXT(fsync)(fd); }
int fdatasync(int fd) { return fails("sync", fd) ? -1 : NEXT(fdatasync)(fd); }
int ftruncate(int fd, off_t size) { return fails("truncate", fd) ? -1 : NEXT(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { return fails("truncate", fd) ? -1 : NEXT(ftruncate64)(fd, size); }
ssize_t write(int fd, const void *data, size_t size) { return fails("write", fd) ? -1 : NEXT(write)(fd, data, size); }

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    if (!next_pwrite) next_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    if (fails("write", fd)) return -1;
    tear(fd, data, size, at);
    return next_pwrite(fd, data, size, at);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }

static int changes(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)); }

#define OPEN(name)                                                                     \
    int name(const char *path, int flags, ...) {                                       \
        va_list more;                                                                  \
        va_start(more, flags);                                                         \
        mode_t mode = va_arg(more, mode_t);                                            \
        va_end(more);                                                                  \
        return changes(flags) && readonly(path) ? -1 : NEXT(name)(path, flags, mode);  \
    }
OPEN(open)
OPEN(open64)

int unlink(const char *path) { return readonly(path) ? -1 : NEXT(unlink)(path); }
int rename(const char *from, const char *to) { return readonly(to) ? -1 : NEXT(rename)(from, to); }
int mkdir(const char *path, mode_t mode) { return readonly(path) ? -1 : NEXT(mkdir)(path, mode); }
