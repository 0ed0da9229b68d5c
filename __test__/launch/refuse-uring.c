/*
 * refuse-uring: run a command in which the io_uring system calls are refused.
 *
 *   refuse-uring [eperm|enosys|eacces|kill] [--only setup,enter,register] [--] command [args...]
 *
 * Docker's and containerd's default profiles answer EPERM, a kernel without io_uring answers ENOSYS,
 * security modules answer EACCES, and some sandboxes kill the caller. Needs no privileges: the filter
 * is installed under no_new_privs, and everything that the command starts inherits it.
 *
 * Exit status: the command's; 125 the filter or the command line is at fault, 126 the command cannot
 * be started, 127 it is not there.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
/* No system call has this number, so a comparison with it never matches. */
#define NEVER 0xffffffffu

struct choice {
  const char *name;
  unsigned value;
};

static const struct choice refusals[] = {
    {"eperm", SECCOMP_RET_ERRNO | EPERM},
    {"enosys", SECCOMP_RET_ERRNO | ENOSYS},
    {"eacces", SECCOMP_RET_ERRNO | EACCES},
    {"kill", SECCOMP_RET_KILL_PROCESS},
};

/* The numbers are the same on every architecture. */
static const struct choice calls[] = {{"setup", 425}, {"enter", 426}, {"register", 427}};

static int usage(void) {
  fputs("usage: refuse-uring [eperm|enosys|eacces|kill] [--only setup,enter,register] "
        "[--] command [args...]\n",
        stderr);
  return 125;
}

static const struct choice *find(const struct choice *table, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(table[i].name, name) == 0) return &table[i];
  return NULL;
}

/* Replaces `numbers` by those of the comma-separated names; 0 when one is unknown or none is given. */
static int choose_calls(char *names, unsigned numbers[COUNT(calls)]) {
  int chosen = 0;
  for (size_t i = 0; i < COUNT(calls); i++) numbers[i] = NEVER;
  for (char *name = strtok(names, ","); name != NULL; name = strtok(NULL, ",")) {
    const struct choice *call = find(calls, COUNT(calls), name);
    if (call == NULL) return 0;
    numbers[call - calls] = call->value;
    chosen = 1;
  }
  return chosen;
}

static int install(const unsigned numbers[COUNT(calls)], unsigned action) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[0], 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[1], 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[2], 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, action),
  };
  struct sock_fprog program = {COUNT(filter), filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int main(int argc, char **argv) {
  unsigned action = refusals[0].value;
  unsigned numbers[COUNT(calls)] = {calls[0].value, calls[1].value, calls[2].value};
  int i = 1;
  const struct choice *refusal = i < argc ? find(refusals, COUNT(refusals), argv[i]) : NULL;
  if (refusal != NULL) {
    action = refusal->value;
    i++;
  }
  if (i + 1 < argc && strcmp(argv[i], "--only") == 0) {
    if (!choose_calls(argv[i + 1], numbers)) return usage();
    i += 2;
  }
  if (i < argc && strcmp(argv[i], "--") == 0) i++;
  else if (i < argc && argv[i][0] == '-') return usage();
  if (i >= argc) return usage();
  if (install(numbers, action) != 0) {
    perror("refuse-uring: cannot install the seccomp filter");
    return 125;
  }
  execvp(argv[i], argv + i);
  int error = errno;
  fprintf(stderr, "refuse-uring: cannot run %s: %s\n", argv[i], strerror(error));
  return error == ENOENT ? 127 : 126;
}
