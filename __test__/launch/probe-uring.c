/*
 * probe-uring: print how each of io_uring's system calls answers nonsense, one line a call, such as
 * "setup EFAULT". Where they are refused, the refusal stands there instead (EPERM, ENOSYS, ...).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
  static const struct {
    const char *name;
    long number;
    long first;
  } calls[] = {{"setup", 425, 1}, {"enter", 426, -1}, {"register", 427, -1}};
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    errno = 0;
    syscall(calls[i].number, calls[i].first, 0L, 0L, 0L, 0L, 0L);
    printf("%s %s\n", calls[i].name, strerrorname_np(errno));
  }
  return 0;
}
