// A function that is compiled for several kinds of processors; the best of them is chosen when the
// program starts.
#pragma once

#if defined(__SANITIZE_THREAD__)  // it would watch the choice, before it can
#define SOUNDGATE_VECTOR_CLONES
#else
#define SOUNDGATE_VECTOR_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
