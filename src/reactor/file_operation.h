// File operations as blocking calls, for helper threads.
#pragma once

#include "mailroot/reactor/operation.h"

struct statx;

namespace mailroot::reactor {

FileStatus file_status_from(const struct statx& found);

// True for the opcodes that run_file_operation knows: everything on files and directories, and
// close.
bool is_file_operation(Opcode opcode);

// Runs the operation to its end; the completion's result.
int32_t run_file_operation(Operation& operation);

}  // namespace mailroot::reactor
