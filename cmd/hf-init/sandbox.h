/* sandbox.h: what the kernel lets this process write to, from the moment the volume is open.
 *
 * A run reads answers from strangers all day. Whatever they might make of it, it writes below the
 * target, into the termination message and into the folder of metrics.file, starts no program and makes no device. Landlock does
 * that without any privilege; a kernel without it changes nothing. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "hfinit.h"

/* A hfinit_volume_fn; `user` is the hfinit. Threads started later are confined as well. */
void sandbox_enter(int volume_fd, void *user);

#endif
