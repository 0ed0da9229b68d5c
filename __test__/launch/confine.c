/*
 * confine: run a command with smaller limits, as a user without capabilities if wished.
 *
 *   confine [--user UID] [--memlock BYTES] [--nofile N] [--nproc N] [--as BYTES] [--] command [args...]
 *
 * Root is exempt from the limits of locked memory and of processes: give --user (which needs root)
 * together with them. Soft and hard limit are both set, so the command cannot raise them again.
 *
 * Exit status: the command's; 125 a limit or the command line is at fault, 126 the command cannot be
 * started, 127 it is not there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct {
  const char *option;
  int resource;
} limits[] = {
    {"--memlock", RLIMIT_MEMLOCK},
    {"--nofile", RLIMIT_NOFILE},
    {"--nproc", RLIMIT_NPROC},
    {"--as", RLIMIT_AS},
};

static int usage(void) {
  fputs("usage: confine [--user UID] [--memlock BYTES] [--nofile N] [--nproc N] [--as BYTES] "
        "[--] command [args...]\n",
        stderr);
  return 125;
}

/* Only plain decimal numbers: a mistyped limit must not become 0. */
static int number(const char *text, unsigned long long *value) {
  char *end;
  if (text[0] < '0' || text[0] > '9') return 0;
  errno = 0;
  *value = strtoull(text, &end, 10);
  return errno == 0 && *end == '\0';
}

static int set_limit(const char *option, unsigned long long value) {
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    if (strcmp(limits[i].option, option) != 0) continue;
    struct rlimit limit = {value, value};
    if (setrlimit(limits[i].resource, &limit) == 0) return 1;
    fprintf(stderr, "confine: %s %llu: %s\n", option, value, strerror(errno));
    return 0;
  }
  usage();
  return 0;
}

static int become(unsigned long long user) {
  if (setgroups(0, NULL) == 0 && setgid((gid_t)user) == 0 && setuid((uid_t)user) == 0) return 1;
  fprintf(stderr, "confine: --user %llu: %s (it needs root)\n", user, strerror(errno));
  return 0;
}

int main(int argc, char **argv) {
  unsigned long long user = 0, value;
  int i = 1;
  for (; i < argc && argv[i][0] == '-'; i += 2) {
    if (strcmp(argv[i], "--") == 0) {
      i++;
      break;
    }
    if (i + 1 >= argc || !number(argv[i + 1], &value)) return usage();
    if (strcmp(argv[i], "--user") == 0) user = value;
    else if (!set_limit(argv[i], value)) return 125;
  }
  if (i >= argc) return usage();
  if (user != 0 && !become(user)) return 125;
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  execvp(argv[i], argv + i);
  int error = errno;
  fprintf(stderr, "confine: cannot run %s: %s\n", argv[i], strerror(error));
  return error == ENOENT ? 127 : 126;
}
