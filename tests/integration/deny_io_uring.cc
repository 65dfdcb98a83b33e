// Runs a program for which io_uring_setup(2) fails with EPERM, as in a container whose seccomp
// profile denies io_uring. Only this process tree is affected, unlike kernel.io_uring_disabled.
//
//   deny_io_uring [--errno NUMBER] PROGRAM [ARGUMENT...]
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

bool deny(unsigned system_errno) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (system_errno & SECCOMP_RET_DATA)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {sizeof(program) / sizeof(program[0]), program};
  // Without privilege a filter may only be installed by who can gain none.
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  int first = 1;
  unsigned system_errno = EPERM;
  if (argc > 3 && std::strcmp(argv[1], "--errno") == 0) {
    system_errno = static_cast<unsigned>(std::atoi(argv[2]));
    first = 3;
  }
  if (argc <= first) {
    std::fputs("usage: deny_io_uring [--errno NUMBER] PROGRAM [ARGUMENT...]\n", stderr);
    return 2;
  }
  if (!deny(system_errno)) {
    std::perror("deny_io_uring: seccomp");
    return 2;
  }
  execvp(argv[first], argv + first);
  std::perror(argv[first]);
  return 127;
}
