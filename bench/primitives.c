/* primitives.c: what one core of this machine can do of each thing a download is made of. One JSON
 * line each: {"name":"aes-128-gcm-open","gb_per_s":7.1,"by":"libgcrypt 1.11.0 (...)"}; GB = 10^9
 * bytes, CPU time of this thread, best of several rounds.
 *
 * Records are opened the way mbedTLS's TLS opens them: mbedtls_cipher_auth_decrypt_ext, 16 KiB and a
 * byte of content type, 5 bytes of header authenticated with it. */
#include <inttypes.h>
#include <mbedtls/cipher.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "digest.h"

enum { RECORD = 16384 + 1, TAG = 16, HEADER = 5, HASH = 256 * 1024, COPY = 16384, ROUNDS = 7 };

static const uint64_t ROUND_NS = 60 * 1000 * 1000;

static unsigned char from[HASH], to[HASH];

static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void measure(const char *name, const char *by, size_t bytes, void (*once)(void *), void *arg)
{
    double best = 0;

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begin = cpu_ns(), ns, times = 0;

        do {
            for (int i = 0; i < 16; i++)
                once(arg);
            times += 16;
            ns = cpu_ns() - begin;
        } while (ns < ROUND_NS);
        if ((double)(times * bytes) / (double)ns > best)
            best = (double)(times * bytes) / (double)ns;
    }
    printf("{\"name\":\"%s\",\"gb_per_s\":%.3f,\"by\":\"%s\"}\n", name, best, by);
}

static void must(int rc)
{
    if (rc != 0) {
        fprintf(stderr, "primitives: mbedTLS -0x%04x\n", (unsigned)-rc);
        exit(1);
    }
}

static void open_record(void *arg)
{
    static const unsigned char iv[12], header[HEADER];
    size_t                     len;

    must(mbedtls_cipher_auth_decrypt_ext(arg, iv, sizeof(iv), header, sizeof(header), from,
                                         RECORD + TAG, to, sizeof(to), &len, TAG));
}

static void measure_open(const char *name, const char *by, mbedtls_cipher_type_t type, int key_bits)
{
    static const unsigned char iv[12], header[HEADER], key[32];
    mbedtls_cipher_context_t   seal, open;
    size_t                     len;

    mbedtls_cipher_init(&seal);
    mbedtls_cipher_init(&open);
    must(mbedtls_cipher_setup(&seal, mbedtls_cipher_info_from_type(type)));
    must(mbedtls_cipher_setup(&open, mbedtls_cipher_info_from_type(type)));
    must(mbedtls_cipher_setkey(&seal, key, key_bits, MBEDTLS_ENCRYPT));
    must(mbedtls_cipher_setkey(&open, key, key_bits, MBEDTLS_DECRYPT));
    must(mbedtls_cipher_auth_encrypt_ext(&seal, iv, sizeof(iv), header, sizeof(header), to, RECORD,
                                         from, sizeof(from), &len, TAG));
    measure(name, by, RECORD - 1, open_record, &open);
    mbedtls_cipher_free(&seal);
    mbedtls_cipher_free(&open);
}

static void hash(void *arg)
{
    struct digest_run run;
    struct digest     d;

    digest_begin(&run, *(enum digest_kind *)arg, HASH);
    digest_add(&run, from, HASH);
    digest_end(&run, &d);
}

static void hash_pair(void *arg)
{
    struct digest_run a, b;
    struct digest     d;

    (void)arg;
    digest_begin(&a, DIGEST_SHA256, HASH / 2);
    digest_begin(&b, DIGEST_SHA256, HASH / 2);
    digest_add_pair(&a, from, &b, from + HASH / 2, HASH / 2);
    digest_end(&a, &d);
    digest_end(&b, &d);
}

static void copy(void *arg)
{
    memcpy(to, from, COPY);
    __asm__ volatile("" : : "r"(arg), "r"(to) : "memory"); /* it is wanted, every time */
}

int main(void)
{
    enum digest_kind sha256 = DIGEST_SHA256, sha1 = DIGEST_GIT_SHA1;
    const char      *kernels = digest_implementation(); /* of GCM too */

    measure_open("aes-128-gcm-open", kernels, MBEDTLS_CIPHER_AES_128_GCM, 128);
    measure_open("aes-256-gcm-open", kernels, MBEDTLS_CIPHER_AES_256_GCM, 256);
    measure_open("chacha20-poly1305-open", "mbedTLS", MBEDTLS_CIPHER_CHACHA20_POLY1305, 256);
    measure("sha256", kernels, HASH, hash, &sha256);
    measure("sha256-pair", digest_has_pairs() ? "hf-init" : kernels, HASH, hash_pair, NULL);
    measure("git-sha1", kernels, HASH, hash, &sha1);
    measure("memcpy", "libc", COPY, copy, NULL);
    return 0;
}
