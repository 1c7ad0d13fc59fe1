/* plan_k8s.c: `hf-init plan --format k8s`: a plan as what a pod needs for it, to be pasted.
 *
 * An emptyDir counts towards the ephemeral-storage of its pod, together with logs and whatever the
 * containers write beside their volumes; the kubelet evicts the pod when either limit is passed, and the
 * writer is told nothing. A claim is another matter: part of it is the file system's own.
 *
 * Facts: Kubernetes, concepts/storage/ephemeral-storage and volumes#emptydir; mke2fs(8) keeps 5 % for
 * root, 1.6 % for inodes, and a journal of 1 % or so. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "table.h"

enum {
    PER_FILE_BYTES = 8 << 10, /* its last block, and its metadata or link */
    STATE_BYTES = 64 << 20,   /* listings, inventory, journals, status */
    DEFAULT_RESERVE = 512 << 20,
    OWN_TENTHS = 1, /* of a claim, the file system's own */
};

static const uint64_t GI = 1ull << 30;

static uint64_t sum(uint64_t a, uint64_t b)
{
    uint64_t both;

    return __builtin_add_overflow(a, b, &both) ? UINT64_MAX : both;
}

/* In whole Gi, at least one. */
static uint64_t round_up(uint64_t bytes)
{
    uint64_t whole = bytes / GI + (bytes % GI != 0);

    return whole ? whole : 1;
}

static bool moves(const hfinit_plan_repo *repo)
{
    return repo->commit[0] && strcmp(repo->revision, repo->commit) != 0;
}

static void print_heading(const hfinit_plan *plan)
{
    char bytes[24];

    table_format_bytes(plan->bytes, bytes);
    printf("# %" PRIu64 " files, %s:\n", plan->files, bytes);
    for (size_t i = 0; i < plan->repo_count; i++) {
        const hfinit_plan_repo *repo = &plan->repo[i];

        printf("#   %s", plan_prefix(repo));
        table_print_line(stdout, repo->id);
        putchar(' ');
        table_print_line(stdout, repo->revision);
        if (moves(repo))
            printf(", now %.12s", repo->commit);
        puts(repo->failed ? "; it failed, is optional, and is not counted" : "");
    }
}

static void print_pod(uint64_t volume_gi, uint64_t reserve)
{
    char spare[24];

    table_format_bytes(reserve, spare);
    printf(
        "# With an emptyDir. It counts towards the ephemeral-storage of the whole pod, which has 1Gi\n"
        "# more for logs and for what containers write elsewhere; %s stay free (disk.reserve).\n"
        "spec:\n"
        "  initContainers:\n"
        "    - name: hf-init\n"
        "      env:\n"
        "        # what does not fit is said before the kubelet evicts the pod\n"
        "        - name: HF_INIT_DISK_LIMIT\n"
        "          valueFrom: {resourceFieldRef: {resource: limits.ephemeral-storage}}\n"
        "      resources:\n"
        "        requests: {ephemeral-storage: %" PRIu64 "Gi}\n"
        "        limits: {ephemeral-storage: %" PRIu64 "Gi}\n"
        "  volumes:\n"
        "    - name: models\n"
        "      emptyDir: {sizeLimit: %" PRIu64 "Gi}\n",
        spare, volume_gi + 1, volume_gi + 1, volume_gi);
}

static void print_claim(uint64_t claim_gi, uint64_t both_gi, bool is_moving)
{
    printf("---\n"
           "# Or with a claim, which outlives the pod; a tenth of it is the file system's own.\n");
    if (is_moving)
        printf("# While a branch or tag moves, the old files and the new ones lie there: %" PRIu64
               "Gi for both.\n",
               both_gi);
    printf("apiVersion: v1\n"
           "kind: PersistentVolumeClaim\n"
           "metadata: {name: models}\n"
           "spec:\n"
           "  accessModes: [ReadWriteOnce]\n"
           "  resources: {requests: {storage: %" PRIu64 "Gi}}\n",
           claim_gi);
}

/* What a claim must have so that so much can be written to it. */
static uint64_t claim_for(uint64_t bytes)
{
    return round_up(sum(bytes, bytes / (10 - OWN_TENTHS) * OWN_TENTHS + 1));
}

void plan_print_k8s(const hfinit_plan *plan)
{
    uint64_t reserve = plan->volume_count ? plan->volume[0].reserve_bytes : DEFAULT_RESERVE;
    uint64_t content = sum(plan->bytes, sum(plan->files * PER_FILE_BYTES, STATE_BYTES));
    uint64_t needed = sum(content, reserve);
    bool     is_moving = false;

    for (size_t i = 0; i < plan->repo_count; i++)
        is_moving |= moves(&plan->repo[i]);
    print_heading(plan);
    print_pod(round_up(needed), reserve);
    print_claim(claim_for(needed), claim_for(sum(needed, content)), is_moving);
}
