/* What writing leaves in memory: with drop_cache little, on a network file system little that is not
 * on the server yet, and never at the price of reading back from the disk. */
#include <sys/mman.h>
#include <sys/syscall.h>

#include "store_partial.h"
#include "volume.h"

enum { MIB = 1 << 20, BLOCK = 256 << 10, SIZE = 64 * MIB };

static struct err         err;
static char               block[BLOCK];
static struct store_file  file = {.path = STR("model.bin"), .size_bytes = SIZE};
static struct store      *store;
static struct store_repo *repo;

static struct store_partial *open_partial(const struct store_options *options)
{
    struct store_partial *p = NULL;

    volume_new();
    store = open_store(options);
    repo = open_repo(store, false, COMMIT_A);
    if (!CHECK(store_partial_open(repo, &file, &p, &err) == 0))
        exit(2);
    return p;
}

static void close_partial(struct store_partial *p)
{
    store_partial_discard(p);
    store_repo_close(repo);
    store_free(store);
}

static void write_blocks(struct store_partial *p, uint64_t begin, uint64_t end)
{
    for (uint64_t at_byte = begin; at_byte < end; at_byte += BLOCK) {
        memset(block, (int)(at_byte / BLOCK), BLOCK);
        CHECK(store_partial_write(p, block, BLOCK, at_byte, &err) == 0);
    }
}

/* As whoever feeds the hash says it. */
static void say_hashed(struct store_partial *p, uint64_t begin, uint64_t end)
{
    for (uint64_t at_byte = begin; at_byte <= end; at_byte += BLOCK) {
        struct digest_run run = {.kind = DIGEST_SHA256, .hashed_bytes = at_byte};

        CHECK(store_partial_hashed(p, &run, &err) == 0);
    }
}

/* How much of [begin, end) is in the page cache. */
static uint64_t resident(const struct store_partial *p, uint64_t begin, uint64_t end)
{
    static unsigned char page[SIZE / 4096];
    size_t               len = (size_t)(end - begin), page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    void                *map = mmap(NULL, len, PROT_READ, MAP_SHARED, p->fd, (off_t)begin);
    uint64_t             bytes = 0;

    CHECK(map != MAP_FAILED && mincore(map, len, page) == 0);
    for (size_t i = 0; i < len / page_bytes; i++)
        bytes += (page[i] & 1) * page_bytes;
    munmap(map, len);
    return bytes;
}

/* Nobody threw it out; what the kernel takes on its own, short of memory, is little. */
static bool is_kept(const struct store_partial *p, uint64_t begin, uint64_t end)
{
    return resident(p, begin, end) >= (end - begin) / 4 * 3;
}

static bool is_memory(void)
{
    struct fs_space space = {0};

    return store_repo_space(repo, &space, &err) == 0 && space.is_memory;
}

static void only_what_is_hashed_leaves_the_page_cache(void)
{
    struct store_options  options = volume_options();
    struct store_partial *p;

    options.drop_cache = true;
    p = open_partial(&options);
    write_blocks(p, 0, SIZE);
    CHECK(is_kept(p, 0, SIZE)); /* the follower has yet to read it */
    say_hashed(p, 0, SIZE / 2);
    CHECK(is_kept(p, SIZE / 2, SIZE));
    if (!is_memory())
        CHECK(resident(p, 0, SIZE / 2) <= 2 * store->window_bytes);
    say_hashed(p, SIZE / 2, SIZE);
    say_hashed(p, 0, SIZE / 4); /* hashed anew from the start */
    close_partial(p);
}

static void kept_pages_stay(void)
{
    struct store_options  options = volume_options();
    struct store_partial *p = open_partial(&options);

    write_blocks(p, 0, SIZE);
    say_hashed(p, 0, SIZE);
    CHECK(is_kept(p, 0, SIZE));
    close_partial(p);
}

/* The order of mm.h's struct cachestat, Linux 6.5. */
struct page_counts {
    uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

/* Bytes that are not on the disk yet; 0 also where the kernel does not tell. */
static uint64_t dirty_bytes(const struct store_partial *p)
{
    struct {
        uint64_t offset, len;
    } all = {0, SIZE};
    struct page_counts counts = {0};

    if (syscall(451, p->fd, &all, &counts, 0) != 0)
        return 0;
    return (counts.dirty + counts.writeback) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void a_network_file_system_has_little_that_is_not_on_the_server(void)
{
    struct store_options  options = volume_options();
    struct store_partial *p;

    options.sync_early = true;
    options.memory_bytes = 64 * MIB;
    p = open_partial(&options);
    CHECK_U64(store->early_bytes, 16 * MIB);
    for (uint64_t at_byte = 0; at_byte < SIZE; at_byte += MIB) {
        write_blocks(p, at_byte, at_byte + MIB);
        CHECK(dirty_bytes(p) <= 16 * MIB);
        CHECK(atomic_load(&p->place->unsynced_bytes) < 16 * MIB);
    }
    CHECK(is_kept(p, 0, SIZE)); /* that is another question */
    close_partial(p);
}

/* Two files share what may be unsynced; a file that goes takes its share along. */
static void what_is_unsynced_is_counted_over_all_files(void)
{
    struct store_options  options = volume_options();
    struct store_partial *p, *q;
    struct store_place   *place;

    options.sync_early = true;
    p = open_partial(&options);
    place = p->place;
    CHECK(store_partial_open(repo, &file, &q, &err) == 0);
    write_blocks(p, 0, 32 * MIB);
    write_blocks(q, 0, 31 * MIB);
    CHECK_U64(atomic_load(&place->unsynced_bytes), 63 * MIB);
    write_blocks(q, 31 * MIB, 32 * MIB); /* one too many: q's are synced */
    CHECK_U64(atomic_load(&place->unsynced_bytes), 32 * MIB);
    CHECK(store_partial_mark(p, (struct range){0, MIB}, &err) == 0);
    CHECK(store_partial_sync(p, &err) == 0);
    CHECK_U64(atomic_load(&place->unsynced_bytes), 0);
    write_blocks(q, 0, MIB);
    CHECK_U64(atomic_load(&place->unsynced_bytes), MIB);
    store_partial_discard(q);
    CHECK_U64(atomic_load(&place->unsynced_bytes), 0);
    close_partial(p);
}

static void windows_fit_the_memory_there_is(void)
{
    static const struct {
        uint64_t memory_mib, window_mib, early_mib;
    } rows[] = {{0, 8, 64},   {4096, 8, 64}, {256, 8, 64}, {255, 4, 32},
                {128, 4, 32}, {64, 2, 16},   {32, 1, 8},   {1, 1, 8}};
    struct store_options options = volume_options();

    volume_new();
    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        options.memory_bytes = rows[i].memory_mib * MIB;
        store = open_store(&options);
        CHECK_U64(store->window_bytes, rows[i].window_mib * MIB);
        CHECK_U64(store->early_bytes, rows[i].early_mib * MIB);
        store_free(store);
    }
}

int main(void)
{
    only_what_is_hashed_leaves_the_page_cache();
    kept_pages_stay();
    a_network_file_system_has_little_that_is_not_on_the_server();
    what_is_unsynced_is_counted_over_all_files();
    windows_fit_the_memory_there_is();
    volume_remove();
    return check_end("test_store_write");
}
