// What a worker gives up before it reads hostile bytes, so that a decoder that has been taken over
// reaches nothing: not the network, not a file, not another process.
// Thread: call them while the process has one.
#pragma once

namespace soundgate::decode {

// All capabilities; and where the process may: to an unprivileged user, and namespaces of its own
// without network, so that nothing but its descriptors connects it with anything. False where it
// keeps capabilities.
bool drop_privileges();

// From here on the process can compute, have private memory that is not executable, wait, ask for
// the time and for memory and processors, send a byte on `socket`, and write to standard error. Any
// other system call kills it (SIGSYS). False if the kernel takes no filter.
bool enter_sandbox(int socket);

}  // namespace soundgate::decode
