/* sandbox.c - see sandbox.h.
 *
 * Landlock: a ruleset is made that handles every right which this kernel's ABI knows, which
 * refuses them all; each file that is named adds a rule that gives some back; entering
 * binds the ruleset to the process. A later ABI adds rights, and asking an older kernel for
 * them would fail, so the ABI decides what is handled, and how much of the structure is
 * passed. Their numbers and that structure stand here because the headers of older systems
 * lack them.
 *
 * seccomp: a filter in classic BPF looks at the machine, then at the number of the call;
 * calls that make sockets, run programs or look into other processes fail with EPERM, and
 * of ioctl the two requests that type for the user. no_new_privs comes first: the kernel
 * asks for it before either.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* struct landlock_ruleset_attr of ABI 6. */
typedef struct ruleset {
    uint64_t files, net, scoped;
} ruleset;

enum { ABI_REFER = 2, ABI_TRUNCATE = 3, ABI_NET = 4, ABI_IOCTL = 5, ABI_SCOPE = 6 };

#define BIT(n) (1ull << (n))
/* File rights by their bit: execute 0, write 1, read 2, list 3, ... make symlink 12, refer 13, truncate 14,
 * ioctl on devices 15. */
#define ALL_OF_ABI_1 (BIT(13) - 1)
#define RIGHTS_FILE  (BIT(0) | BIT(1) | BIT(2) | BIT(14) | BIT(15)) /* what a file can have */
#define RIGHTS_READ  (BIT(2) | BIT(3))
#define RIGHTS_WRITE                                                                               \
    (RIGHTS_READ | BIT(1) | BIT(4) | BIT(5) | BIT(7) | BIT(8) | BIT(13) | BIT(14) | BIT(15))
#define NET_TCP     (BIT(0) | BIT(1)) /* bind, connect */
#define SCOPE_NAMES BIT(0)            /* abstract sockets */

void sandbox_open(sandbox *s)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    *s = (sandbox){.rules = -1, .abi = abi > 0 ? (int)abi : 0};
    if (!s->abi)
        return;
    s->handled = ALL_OF_ABI_1 | (s->abi >= ABI_REFER ? BIT(13) : 0) |
                 (s->abi >= ABI_TRUNCATE ? BIT(14) : 0) | (s->abi >= ABI_IOCTL ? BIT(15) : 0);
    ruleset r = {.files = s->handled,
                 .net = s->abi >= ABI_NET ? NET_TCP : 0,
                 .scoped = s->abi >= ABI_SCOPE ? SCOPE_NAMES : 0};
    size_t size = s->abi >= ABI_SCOPE ? sizeof r : s->abi >= ABI_NET ? 16 : 8;
    s->rules = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
    s->crowded = s->rules < 0 && errno == EMFILE;
}

static void allow(sandbox *s, const char *path, uint64_t rights)
{
    struct stat st;
    int fd = s->rules < 0 ? -1 : open(path, O_PATH | O_CLOEXEC);
    s->crowded = s->crowded || (fd < 0 && s->rules >= 0 && errno == EMFILE);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rights &= RIGHTS_FILE;
    struct landlock_path_beneath_attr rule = {.allowed_access = rights & s->handled,
                                              .parent_fd = fd};
    (void)syscall(SYS_landlock_add_rule, s->rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    (void)close(fd);
}

void sandbox_allow_read(sandbox *s, const char *path)
{
    allow(s, path, RIGHTS_READ);
}

void sandbox_allow_write(sandbox *s, const char *path)
{
    allow(s, path, RIGHTS_WRITE);
}

void sandbox_allow_run(sandbox *s, const char *path)
{
    s->runs = true;
    allow(s, path, RIGHTS_READ | BIT(0));
}

/* ---- system calls ------------------------------------------------------------------------------ */

#define REFUSE(call)                                                                               \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1),                                             \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (EPERM & SECCOMP_RET_DATA))

/* runs: what is refused to a program that follows. */
static int filter_calls(bool runs)
{
#ifdef __x86_64__
    enum { X32 = 0x40000000 };
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS), /* 32-bit calls have other numbers */
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        /* Typing on the terminal is running programs: the shell would read it. */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCLINUX, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        REFUSE(SYS_socket),
        REFUSE(SYS_socketpair),
        REFUSE(SYS_connect),
        REFUSE(runs ? SYS_clone : SYS_execve),
        REFUSE(runs ? SYS_clone3 : SYS_execveat),
        REFUSE(runs ? SYS_fork : SYS_bpf),
        REFUSE(runs ? SYS_vfork : SYS_bpf),
        REFUSE(runs ? SYS_kill : SYS_bpf),
        REFUSE(runs ? SYS_tgkill : SYS_bpf),
        REFUSE(SYS_io_uring_setup),
        REFUSE(SYS_process_vm_readv),
        REFUSE(SYS_process_vm_writev),
        REFUSE(SYS_pidfd_getfd),
        REFUSE(SYS_bpf),
        REFUSE(SYS_keyctl),
#if !defined(__SANITIZE_ADDRESS__) /* its search for leaks stops our own threads that way */
        REFUSE(SYS_ptrace),
#endif
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
#else
    errno = ENOSYS;
    return -1;
#endif
}

/* A file that could not be named for want of a descriptor would be refused later on, without a reason. */
static int refuse_crowded(sandbox *s, error *err)
{
    struct rlimit limit = {0};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    if (s->rules >= 0)
        (void)close(s->rules);
    s->rules = -1;
    return error_set(
        err, ERROR_RUN,
        "the limit of open files is %llu, too few for the sandbox: raise it (ulimit -n)",
        (unsigned long long)limit.rlim_cur);
}

int sandbox_enter(sandbox *s, char *summary, size_t size, error *err)
{
    if (s->crowded)
        return refuse_crowded(s, err);
    int result = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    bool files = !result && s->rules >= 0;
    if (files)
        result = (int)syscall(SYS_landlock_restrict_self, s->rules, 0);
    int why = errno;
    bool calls = !result && filter_calls(s->runs) == 0; /* a kernel may be built without */
    if (s->rules >= 0)
        (void)close(s->rules);
    s->rules = -1;
    if (result)
        return error_set(err, ERROR_RUN,
                         "the sandbox cannot be entered (--no-sandbox goes without): %s",
                         strerror(why));
    char landlock[64] = "the kernel has no Landlock: files are not guarded";
    if (files)
        (void)snprintf(landlock, sizeof landlock, "only named files (Landlock %d)", s->abi);
    (void)snprintf(summary, size, "sandbox: %s%s; no new privileges", landlock,
                   calls ? "; no sockets, no programs (seccomp)" : "; no seccomp");
    return 0;
}
