# hf-init: `make` builds it, `make test` proves it, `make demo` shows it, `make help` lists the rest.
# Everything lands in build/, third-party libraries in $DEPS_CACHE: see deps/build.
VERSION := 0.1.0
COMMIT  ?= $(or $(shell git rev-parse --short=12 HEAD 2>/dev/null),unknown)

# musl is the product; asan, tsan, cov, host and glibc are the same sources against this machine's libc,
# fuzz is asan by clang with libFuzzer. make install VARIANT=glibc is for programs of that libc.
# make ARCH=arm64 crosses: build/arm64/hf-init; its unit tests run under qemu-user. make CRYPTO=stock takes
# AES-GCM and hashes from mbedTLS instead of libgcrypt, to be measured against: build/stock/hf-init.
VARIANT ?= musl
MACHINE := $(shell uname -m)
TARGET  := $(or $(patsubst arm64,aarch64,$(patsubst amd64,x86_64,$(ARCH))),$(MACHINE))
CROSS   := $(if $(filter-out $(MACHINE),$(TARGET)),$(TARGET)-linux-gnu-)
EMULATE := $(if $(CROSS),qemu-$(TARGET)-static)
CRYPTO  :=
OUT     := build$(if $(CROSS),/$(ARCH))$(addprefix /,$(CRYPTO))
B       := $(OUT)/$(VARIANT)
LIB     := $(patsubst %.c,$B/%.o,$(wildcard lib/*.c))
CMD     := $(patsubst %.c,$B/%.o,$(wildcard cmd/hf-init/*.c))
UNIT    := $(patsubst test/unit/%.c,$B/unit/%,$(wildcard test/unit/test_*.c))
FUZZ    := $(patsubst test/fuzz/%.c,$B/fuzz/%,$(wildcard test/fuzz/fuzz_*.c))
HELP    := $(patsubst %.c,$B/%.o,$(filter-out test/unit/test_%,$(wildcard test/unit/*.c)))
SEAM    := $(patsubst %.c,$B/%.o,$(wildcard test/seams/*.c))
# What is passed on: of the product in build/, of another variant in build/VARIANT/dist/.
DIST    := $(if $(filter musl,$(VARIANT)),$(OUT),$B/dist)
PREFIX  ?= /usr/local
D       := $(DESTDIR)$(PREFIX)
SEAMS   := $(OUT)/seams$(addprefix -,$(filter-out musl,$(VARIANT)))/hf-init

# A bare machine gets the tools it lacks first. `make clean` and `make help` need none, an image brings its own.
ifneq ($(if $(MAKECMDGOALS),$(filter-out clean help image image-index,$(MAKECMDGOALS)),all),)
  ifeq ($(origin CC),default)
    CC := $(CROSS)gcc
  endif
  ENV := CC='$(CC)' ARCH='$(ARCH)' CRYPTO='$(CRYPTO)' $(if $(DEPS_CACHE),DEPS_CACHE='$(DEPS_CACHE)')
  ifneq ($(shell $(ENV) deps/setup build >&2 && echo done),done)
    $(error set-up failed)
  endif
  DEPS := $(shell $(ENV) deps/build --prefix $(if $(filter musl,$(VARIANT)),musl,host))
endif

# musl has no _FORTIFY_SOURCE. The linking side (static PIE, RELRO, now, NX) is in $(DEPS)/bin/cc.
WARN    := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes -Werror \
           -Wno-format-truncation# a guess of the optimiser, another one in every gcc
HARDEN  := -fPIE -fstack-protector-strong -fstack-clash-protection -ffunction-sections -fdata-sections
FLAGS   := -std=c11 -D_GNU_SOURCE -iquote lib -isystem $(DEPS)/include -pthread -g $(WARN) $(HARDEN) \
           "-ffile-prefix-map=$(CURDIR)=." -ffile-prefix-map=$(DEPS)=deps
LINK    := -Wl,--gc-sections -Wl,--build-id=none
asan    := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
tsan    := -O1 -fno-omit-frame-pointer -fsanitize=thread
cov     := -O0 --coverage "-DCOUNTS_FOLDER=\"$(CURDIR)/build/cov\""
host    := -O1
glibc   := -O2
fuzz    := $(asan) -fsanitize=fuzzer-no-link -Wno-unknown-warning-option
ifeq ($(VARIANT),musl)
  TOOL  := $(DEPS)/bin/cc
  FLAGS += -O2 $(CFLAGS)
else ifeq ($(VARIANT),fuzz)
  TOOL  := clang
  FLAGS += $(fuzz) $(CFLAGS)
  LINK  := $(fuzz)
else
  TOOL  := $(CC)
  FLAGS += $($(VARIANT)) $(CFLAGS)
  LINK  += $($(VARIANT))
endif

.PHONY: all install install-program install-library primitives seams test interop kubernetes torture coverage unit demo bench asan tsan fuzz fuzzers image image-index e2e e2e-cluster lint format setup clean help
.DELETE_ON_ERROR:
.SECONDARY: $(UNIT:$B/unit/%=$B/test/unit/%.o) $(FUZZ:$B/fuzz/%=$B/test/fuzz/%.o)
ifeq ($(MAKELEVEL),0)
  MAKEFLAGS += -j$(shell nproc)
endif
Q := $(if $V,,@)# make V=1 shows the commands
all: $(if $(CMD),$(DIST)/hf-init $(if $(CROSS),,$(DIST)/hf-init.1)) $(DIST)/libhfinit.a $(DIST)/licences.txt

$(DIST)/hf-init: $B/hf-init
	@echo "  strip $@" && mkdir -p $(@D)
	$Q$(CROSS)strip -o $@ $<
# One object with all that it needs but libc, of which only what hfinit.h declares shows. It is machine
# code, also of objects made with -flto, so that any compiler for that libc can link it.
$(DIST)/libhfinit.a: $B/libhfinit.a lib/hfinit.h
	@echo "  bundle $@" && mkdir -p $(@D)
	$Qgrep -o 'hfinit_[a-z0-9_]*(' lib/hfinit.h | tr -d '(' | sort -u > $B/exported
	$Q$(CC) -r -nostdlib $(if $(findstring -flto,$(FLAGS)),-flinker-output=nolto-rel) -o $B/hfinit.o \
		-Wl,--whole-archive $B/libhfinit.a -Wl,--no-whole-archive -L$(DEPS)/lib $$(sed 's/-lpthread//' deps/libs)
	$Q$(CROSS)objcopy --strip-debug --keep-global-symbols=$B/exported $B/hfinit.o
	$Qrm -f $@ && $(CROSS)ar rcsD $@ $B/hfinit.o
# The program tells its own manual, so it must run here.
$(DIST)/hf-init.1: $(DIST)/hf-init cmd/hf-init/man.py
	@echo "  man   $@"
	$Qcmd/hf-init/man.py $< $(or $(shell git log -1 --format=%cs 2>/dev/null),$(shell date -u +%F)) > $@
$(DIST)/licences.txt: $B/flags | $(DEPS)/.complete
	@mkdir -p $(@D)
	$Qcp $(DEPS)/licences.txt $@
$B/hf-init: $(CMD) $B/libhfinit.a
	@echo "  link  $@"
	$Q$(TOOL) $(LINK) -o $@ $^ -L$(DEPS)/lib @deps/libs
$B/libhfinit.a: $(LIB)
	@echo "  ar    $@"
	$Qrm -f $@ && $(CROSS)ar rcsD $@ $^
$(OUT)/primitives: $B/bench/primitives.o $B/libhfinit.a
	@echo "  link  $@"
	$Q$(TOOL) $(LINK) -o $@ $^ -L$(DEPS)/lib @deps/libs
$B/unit/%: $B/test/unit/%.o $(HELP) $B/libhfinit.a
	@echo "  link  $@" && mkdir -p $(@D)
	$Q$(TOOL) $(LINK) -o $@ $^ -L$(DEPS)/lib @deps/libs
# A target with libFuzzer's main, or with ours, which only replays.
$B/fuzz/%: $B/test/fuzz/%.o $(if $(filter fuzz,$(VARIANT)),,$B/test/fuzz/driver.o) $B/libhfinit.a
	@echo "  link  $@" && mkdir -p $(@D)
	$Q$(TOOL) $(LINK) $(if $(filter fuzz,$(VARIANT)),-fsanitize=fuzzer) -o $@ $^ -L$(DEPS)/lib @deps/libs
$(SEAMS): $(SEAM) $(CMD) $B/libhfinit.a test/seams/wrap
	@echo "  link  $@" && mkdir -p $(@D)
	$Q$(TOOL) $(LINK) -o $@ $(filter-out %/wrap,$^) -L$(DEPS)/lib @deps/libs @test/seams/wrap
$B/%.o: %.c $B/flags | $(DEPS)/.complete
	@echo "  cc    $<" && mkdir -p $(@D)
	$Q$(TOOL) $(FLAGS) -MMD -MP -c -o $@ $<
$(DEPS)/.complete:
	@$(ENV) deps/build $(if $(filter musl,$(VARIANT)),musl,host) > /dev/null

# version.c alone knows version and commit, so a commit recompiles one file.
$B/lib/version.o: private FLAGS += -DHF_INIT_VERSION='"$(VERSION)"' -DHF_INIT_COMMIT='"$(COMMIT)"'
$B/lib/version.o: $B/commit
# These change, and rebuild what follows from them, only when their content does.
$B/flags: CONTENT = $(TOOL) $(FLAGS) $(LINK)
$B/commit: CONTENT = $(VERSION) $(COMMIT)
$B/flags $B/commit: always
	@mkdir -p $(@D)
	@echo '$(CONTENT)' | cmp -s - $@ || echo '$(CONTENT)' > $@
always:

install: $(if $(filter musl,$(VARIANT)),install-program) install-library ## into $(DESTDIR)$(PREFIX), /usr/local; VARIANT=glibc: the library alone, for programs of this machine's libc
install-program: all
	@echo "  install $D/bin/hf-init"
	$Qinstall -d "$D/bin" "$D/share/man/man1" "$D/share/bash-completion/completions" \
		"$D/share/zsh/site-functions" "$D/share/fish/vendor_completions.d"
	$Qinstall -m 755 $(OUT)/hf-init "$D/bin/"
	$Q[ ! -e $(DIST)/hf-init.1 ] || install -m 644 $(DIST)/hf-init.1 "$D/share/man/man1/"
ifeq ($(CROSS),)
	$Q$(OUT)/hf-init completion bash > "$D/share/bash-completion/completions/hf-init"
	$Q$(OUT)/hf-init completion zsh > "$D/share/zsh/site-functions/_hf-init"
	$Q$(OUT)/hf-init completion fish > "$D/share/fish/vendor_completions.d/hf-init.fish"
endif
install-library: $(DIST)/libhfinit.a $(DIST)/licences.txt
	@echo "  install $D/lib/libhfinit.a"
	$Qinstall -d "$D/include" "$D/lib/pkgconfig" "$D/share/doc/hf-init"
	$Qinstall -m 644 lib/hfinit.h "$D/include/"
	$Qinstall -m 644 $(DIST)/libhfinit.a "$D/lib/"
	$Qinstall -m 644 LICENSE $(DIST)/licences.txt "$D/share/doc/hf-init/"
	$Qsed -e 's|@prefix@|$(PREFIX)|; s|@version@|$(VERSION)|; s|@libc@|$(if $(filter musl,$(VARIANT)),musl,glibc)|' \
		-e 's|@for@|$(if $(filter musl,$(VARIANT)),-DHFINIT_FOR_MUSL)|' lib/hf-init.pc.in > "$D/lib/pkgconfig/hf-init.pc"
primitives: $(OUT)/primitives ## what a core of this machine does a second: build/primitives
seams: $(SEAMS) ## the product's objects with failing allocations, virtual time and useless locks at will: build/seams/hf-init
unit: $(UNIT) $(FUZZ) ## unit tests and the corpora of the fuzzers, in the variant VARIANT
	@$(if $(EMULATE),$(ENV) deps/setup emulate)
	@for t in $(UNIT); do timeout $(if $(EMULATE),900,120) $(EMULATE) $$t || { echo "FAILED: $$t"; exit 1; }; done
	@for t in $(FUZZ); do timeout 120 $(EMULATE) $$t test/fuzz/corpus/$${t##*/fuzz_} || { echo "FAILED: $$t"; exit 1; }; done
	@echo "unit tests ($(VARIANT)$(if $(CROSS), $(ARCH))): $(words $(UNIT)) programs, $(words $(FUZZ)) corpora, all good"
asan: ## binary and unit tests under AddressSanitizer and UBSan: build/asan/hf-init
	@$(MAKE) --no-print-directory VARIANT=asan build/asan/hf-init unit
tsan: ## the same under ThreadSanitizer
	@$(MAKE) --no-print-directory VARIANT=tsan build/tsan/hf-init unit
fuzz: ## every fuzz target for TIME (60s), or those of TARGETS='url spec': test/fuzz/README.md
	@deps/setup fuzz
	@$(MAKE) --no-print-directory VARIANT=fuzz fuzzers
	test/fuzz/run $(or $(TIME),60s) $(TARGETS)
fuzzers: $(FUZZ)

# HF_INIT_BIN=build/asan/hf-init make test: the same tests with another binary
export HF_INIT_BIN ?= $(CURDIR)/build/hf-init
test: all unit seams build/venv/ready ## unit tests, then the binary against the stand-in Hub
	@deps/setup test
	build/venv/bin/python -B -m pytest -p no:cacheprovider -q -n 4 test/unit test/hub test/run test/faults test/library \
		test/kubernetes --ignore=test/kubernetes/tools
interop: all build/venv/ready ## beside the real huggingface_hub, loaders and JavaScript, which pip and npm fetch: docs/interop.md
	@deps/setup test interop
	@test/interop/clients
	build/venv/bin/python -B -m pytest -p no:cacheprovider -q -n 4 test/interop
torture: all seams build/venv/ready ## every test there is, as root: how much of the catalogue of faults is green
	@deps/setup test torture
	@$(MAKE) --no-print-directory VARIANT=asan seams
	@$(MAKE) --no-print-directory VARIANT=glibc all
	+@test/torture/run
coverage: seams build/venv/ready ## lines and branches that unit tests and runs reach: build/coverage.txt
	@deps/setup test
	@$(MAKE) --no-print-directory VARIANT=cov build/cov/hf-init unit
	HF_INIT_BIN=$(CURDIR)/build/cov/hf-init build/venv/bin/python -B -m pytest -p no:cacheprovider -q -n 4 test/run test/faults
	@test/coverage build/cov | tee build/coverage.txt
kubernetes: all build/venv/ready ## manifests and chart as a cluster would judge them: schemas, admission, helm; needs Go
	@deps/setup test kubernetes
	test/kubernetes/tools/build
	build/venv/bin/python -B -m pytest -p no:cacheprovider -q -n 2 test/kubernetes
build/venv/ready: test/requirements.txt
	@deps/setup test
	@echo "  venv  build/venv: $$(grep -v '^#' $< | xargs)"
	@python3 -m venv --clear build/venv
	@build/venv/bin/python -m pip install -q --disable-pip-version-check -r $<
	@touch $@
demo: all ## the stand-in Hub, two repos into ./demo-volume, and a second run
	@deps/setup test
	test/demo
bench: all primitives ## hf-init beside its peers, as root: bench/README.md; BENCH='--only S2 --size 0.1' for a quick look
	@$(MAKE) --no-print-directory CRYPTO=stock
	bench/run --stock-bin build/stock/hf-init $(BENCH)
image: ## the scratch image for ARCH in buildah's store and build/image, with SBOMs and provenance: docs/image.md
	@deps/setup image
	@VERSION=$(VERSION) COMMIT=$(COMMIT) image/build $(or $(ARCH),$(shell dpkg --print-architecture 2> /dev/null || uname -m))
image-index: ## the same for amd64 and arm64, in one OCI index
	@deps/setup image
	@VERSION=$(VERSION) COMMIT=$(COMMIT) image/build amd64 arm64
e2e: all build/venv/ready ## as root: the image, run as pods by podman against the stand-in Hub; a fleet behind a mirror
	@deps/setup test image e2e
	@build/venv/bin/python -m pip install -q --disable-pip-version-check -r test/e2e/requirements.txt
	build/venv/bin/python -B -m pytest -p no:cacheprovider -q test/e2e
e2e-cluster: all build/venv/ready ## as root: Kubernetes itself, built from source, with hf-init in the pods of its one node; needs Go
	@deps/setup test kubernetes image e2e cluster
	test/cluster/build $(DEPS)/bin/cc "$(CURDIR)/build/venv/bin/python"
	test/cluster/apart build/venv/bin/python -B -m pytest -p no:cacheprovider -q test/cluster
lint: build/venv/ready ## formatting, cppcheck, and the house rules
	@deps/setup lint
	@test/lint/run
format: build/venv/ready ## clang-format all of our C
	build/venv/bin/clang-format -i $(wildcard lib/*.[ch] cmd/hf-init/*.[ch] test/unit/*.[ch] test/fuzz/*.[ch] test/seams/*.[ch] bench/*.c deps/*.c docs/samples/*.c)
setup: ## the tools of test and lint; torture, fuzz and bench bring their own
	@deps/setup test lint
clean: ## removes build/; the libraries stay in $DEPS_CACHE
	rm -rf build
help:
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 12

-include $(LIB:.o=.d) $(CMD:.o=.d) $B/bench/primitives.d $(SEAM:.o=.d) $(HELP:.o=.d) $(UNIT:$B/unit/%=$B/test/unit/%.d) $(FUZZ:$B/fuzz/%=$B/test/fuzz/%.d)
