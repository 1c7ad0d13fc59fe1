/* store_lease.h: politeness between processes, pods and nodes on one volume.
 *
 * Correctness never rests on a lease: partials carry the instance in their name, publishing is a
 * rename of verified bytes. A lease only keeps two writers from fetching the same bytes twice. It
 * is a file that its holder flocks where that works, touches every 10 s, and that counts as dead
 * when the volume's own clock (the mtime of a file we just touched) is 2 minutes past its mtime;
 * at once if its holder lived on this boot of this node, in this mount of the volume if that is one in user
 * space, and flock proves it gone. */
#ifndef HFI_STORE_LEASE_H
#define HFI_STORE_LEASE_H

#include "store.h"

struct store_lease;

struct store_lease_holder { /* who has it, as far as the file tells */
    char     instance[32], host[128], pod[128];
    char     status[160]; /* name of its status file below .hf-init, to show its progress */
    uint64_t idle_ms;     /* since its last sign of life, by the volume's clock */
};

/* Tries once. `key` names what is leased (a repo's place, with the shard). 1 taken, 0 somebody else
 * has it (holder is filled), -1 error. Where locks are not supported the claim file alone decides. */
int store_lease_try(struct store *store, struct str key, const char *status_name,
                    struct store_lease **out, struct store_lease_holder *holder, struct err *err);
/* Call at least every 10 s. 0 still ours; -1 with ERR_LOCKED if somebody took it over, because we
 * were stopped for too long: stop writing. */
int  store_lease_renew(struct store_lease *lease, struct err *err);
void store_lease_release(struct store_lease *lease);
/* Who has it, without taking it. 1 held by somebody living (holder is filled), 0 free or dead, -1. */
int store_lease_look(struct store *store, struct str key, struct store_lease_holder *holder,
                     struct err *err);
/* Calls visit for each lease on the volume whose holder is not us and not known to be dead. */
typedef void store_lease_visit_fn(const struct store_lease_holder *holder, void *user);
int store_lease_each(struct store *store, store_lease_visit_fn *visit, void *user, struct err *err);
/* Does this instance hold a lease on the volume, and is not known to be dead? 1, 0, -1. */
int store_lease_is_living(struct store *store, const char *instance, struct err *err);

#endif
