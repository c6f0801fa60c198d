# Consilium. `make help` lists the targets; objects, binaries, test results and fetched files all go
# to $(BUILD) and, for other kinds of build, to $(BUILD)-san and -fuzz beside it: the program
# finds its personas/ beside the folder it lies in. `make clean` leaves the tree as it was cloned.
BUILD   ?= build
ifeq ($(origin CC),default)
CC       = gcc
endif
PREFIX  ?= /usr/local
DESTDIR ?=
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif

comma    = ,

# ---- how things are compiled -----------------------------------------------------------------

WARN     = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
# Bytes must not depend on the compiler's taste: no contraction, no -ffast-math, baseline x86-64.
BASE     = -std=c11 -D_GNU_SOURCE $(WARN) -ffp-contract=off -fno-math-errno -fPIC -pthread -MMD -MP
LIBS     = -lreadline -lsqlite3 -lcjson -lpcre2-8 -lutf8proc -lcrypto -lz -lm -pthread
AVX2     = -mavx2 -mfma -mf16c
AVX512   = $(AVX2) -mavx512f -mavx512bw -mavx512vl -mavx512vnni
ifdef SANITIZE
CFLAGS  ?= -O1 -g
SANFLAGS = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else
CFLAGS  ?= -O3 -g
endif
ifdef FUZZ
SANFLAGS += -fsanitize=fuzzer-no-link
endif
# Hardening, where the compiler has it. Kernels are left without: they have no buffers that a length from
# outside reaches, and every instruction in them counts. Sanitizers bring checks of their own, and fortified
# calls would hide some from them; without optimisation these are refused.
has      = $(shell echo 'int main(void){return 0;}' | \
             $(CC) -Werror -O1 $(1) -x c - -o /dev/null 2>/dev/null && echo '$(1)')
ifndef SANITIZE
HARDEN  := $(call has,-fstack-protector-strong) $(call has,-fstack-clash-protection) \
           $(call has,-fcf-protection) \
           $(if $(filter -O1 -O2 -O3 -Os -Og -Ofast,$(CFLAGS)),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif
LINKED  := $(call has,-pie) $(foreach z,relro now noexecstack,$(call has,-Wl$(comma)-z$(comma)$(z)))
# Commands are shown with V=1.
Q        = $(if $(V),,@)
QUIET    = --no-print-directory $(if $(V),,-s)
COMPILE  = $(CC) $(BASE) $(CFLAGS) $(if $(filter kernels/%,$<),,$(HARDEN)) $(CPPFLAGS) $(SANFLAGS)

# ---- what there is ----------------------------------------------------------------------------

FOLDERS  = $(shell find kernels engine personas transcripts repl -type d)
SOURCES  = $(filter-out repl/cli/main.c,$(foreach d,$(FOLDERS),$(wildcard $(d)/*.c)))
OBJECTS  = $(SOURCES:%.c=$(BUILD)/%.o)
LIBRARY  = $(BUILD)/libconsilium.a
# All but repl/: what another front end would stand on.
CORE     = $(filter-out $(BUILD)/repl/%,$(OBJECTS))
PROGRAM  = $(BUILD)/consilium
# tests/test_*.c are unit tests, tool_*.c and fuzz_*.c programs of their own; wrap_*.c go with the tests
# that ask for them, any other tests/*.c is shared by all.
UNITS    = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/test_*.c))
TOOLS    = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/tool_*.c))
FUZZERS  = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz_*.c))
TESTLIB  = $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/test_%.c tests/fuzz_%.c tests/tool_%.c tests/wrap_%.c,$(wildcard tests/*.c)))
# Python suites: test_*.py need $(VENV), reference_*.py torch and llama.cpp, long_*.py patience.
SUITES   = $(wildcard tests/test_*.py)
DEPENDS  = $(ONHOST:.o=.d) $(OBJECTS:.o=.d) $(TESTLIB:.o=.d) $(BUILD)/tests/wrap_disk.d $(BUILD)/tests/wrap_calls.d $(BUILD)/repl/cli/main.d $(UNITS:=.d) $(TOOLS:=.d) $(FUZZERS:=.d)

# Test interpreters; PYTHON_REFERENCE=/some/python uses an environment that is already there.
VENV     = build/venv
PYTHON   = $(VENV)/bin/python
ifndef PYTHON_REFERENCE
PYTHON_REFERENCE = build/venv-reference/bin/python
REFERENCE        = build/venv-reference/requirements.txt
endif
MODELS   = build/models
SMOLLM2  = $(MODELS)/SmolLM2-135M-Instruct.Q4_1.gguf
RESULTS  = build/results
LOCALE   = build/locale/de_DE.UTF-8
RUN      = LOCPATH=build/locale BUILD=$(BUILD) PYTHON=$(PYTHON) python3 tests/run.py --results $(RESULTS)

all: $(PROGRAM) ## build $(BUILD)/consilium (the default)

$(BUILD)/%_avx512.o: %_avx512.c
	@mkdir -p $(@D) && echo "  CC   $< (AVX-512)"
	$(Q)$(COMPILE) $(AVX512) -c $< -o $@
$(BUILD)/%_avx2.o: %_avx2.c
	@mkdir -p $(@D) && echo "  CC   $< (AVX2)"
	$(Q)$(COMPILE) $(AVX2) -c $< -o $@
$(BUILD)/%.o: %.c
	@mkdir -p $(@D) && echo "  CC   $<"
	$(Q)$(COMPILE) -c $< -o $@
# The two headers that the program and a plug-in must have been compiled with alike.
CONTRACT = $(firstword $(shell cat kernels/backend.h kernels/backend_impl.h | cksum))
$(BUILD)/kernels/backend.o: CPPFLAGS += -DCONTRACT='"$(CONTRACT)"'
# The archive is made anew when a file was added or removed.
$(BUILD)/objects.txt: FORCE
	@mkdir -p $(@D) && echo $(OBJECTS) | cmp -s - $@ || echo $(OBJECTS) > $@
$(LIBRARY): $(OBJECTS) $(BUILD)/objects.txt
	@rm -f $@ && echo "  AR   $@"
	$(Q)ar rcs $@ $(OBJECTS)
$(PROGRAM): $(BUILD)/repl/cli/main.o $(LIBRARY)
	@echo "  LINK $@"
	$(Q)$(CC) $(SANFLAGS) $(LINKED) $^ $(LIBS) -o $@
$(BUILD)/tests/fuzz_%: $(BUILD)/tests/fuzz_%.o $(LIBRARY)
	@echo "  LINK $@"
	$(Q)$(CC) $(SANFLAGS) -fsanitize=fuzzer $^ $(LIBS) -o $@
$(BUILD)/tests/%: $(BUILD)/tests/%.o $(TESTLIB) $(LIBRARY)
	@echo "  LINK $@"
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) $^ $(LIBS) -lcmocka -o $@
# Counts of instructions hold for these options alone.
$(BUILD)/tests/tool_counts.o: CPPFLAGS += -DCOUNTS_FLAGS='" $(CFLAGS)"'
# A conversation needs no terminal: these link nothing of repl/.
CONVERSES = dialogue story transcript routing
$(BUILD)/tests/test_conversation $(BUILD)/tests/test_replay: $(BUILD)/tests/%: $(BUILD)/tests/%.o \
    $(CONVERSES:%=$(BUILD)/tests/%_support.o) $(BUILD)/tests/scratch.o $(CORE)
	@echo "  LINK $@"
	$(Q)$(CC) $(SANFLAGS) $^ $(LIBS) -lcmocka -o $@
# The GPU's kernels on the host: the same files, compiled over tests/cuda_host.h, as a plug-in for tests.
CXX      = g++
KERNELS  = $(wildcard kernels/cuda/*.cu)
ONHOST   = $(KERNELS:kernels/cuda/%.cu=$(BUILD)/tests/cuda/%.o) $(BUILD)/tests/cuda/cuda_host.o
# What the plug-in brings of kernels/ itself.
BROUGHT  = $(patsubst %,$(BUILD)/kernels/%.o,backend error quant iq iq_grids cpu/sample cpu/sample_scalar)
CXXWARN  = -Wall -Wextra -Wshadow -Wno-unknown-pragmas -Werror
HOSTCXX  = $(CXX) -std=c++17 -D_GNU_SOURCE $(CXXWARN) -ffp-contract=off -fno-math-errno -fPIC -MMD -MP \
           -fvisibility=hidden -O2 -g
$(BUILD)/tests/cuda/cuda_host.o: tests/cuda_host.cpp
	@mkdir -p $(@D) && echo "  CXX  $<"
	$(Q)$(HOSTCXX) -c $< -o $@
$(BUILD)/tests/cuda/%.o: kernels/cuda/%.cu tests/cuda_host.h
	@mkdir -p $(@D) && echo "  CXX  $< (on the host)"
	$(Q)$(HOSTCXX) -include tests/cuda_host.h -x c++ -c $< -o $@
$(BUILD)/tests/cuda_host.so: $(ONHOST) $(BROUGHT)
	@echo "  LINK $@"
	$(Q)$(CXX) -shared -Wl,-Bsymbolic $(if $(SANITIZE),,-Wl$(comma)-z$(comma)defs) $^ -lm -o $@
$(patsubst %,$(BUILD)/tests/%,test_cuda test_cuda_ops test_cuda_moe test_cuda_memory): | $(BUILD)/tests/cuda_host.so
# ---- the GPU's backend: a plug-in that the program looks for beside itself ------------------------

CUDA_ARCHS ?= 75 80 86 89 90 100 120
NEWEST   = $(lastword $(CUDA_ARCHS))
# The CPU's arithmetic, operation by operation: nothing is contracted. PTX of the newest for those to come.
NVFLAGS  = -std=c++17 -O3 -fmad=false -Werror all-warnings -Xptxas -v \
           -Xcompiler -Wall,-Wextra,-fPIC,-fvisibility=hidden,-ffp-contract=off \
           $(if $(filter native,$(CUDA_ARCHS)),-arch=native, \
           $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$(a)$(comma)code=sm_$(a)) \
           -gencode arch=compute_$(NEWEST)$(comma)code=compute_$(NEWEST))
CUDAOBJ  = $(KERNELS:kernels/cuda/%.cu=$(BUILD)/cuda/%.o)
PLUGIN   = $(BUILD)/consilium-cuda.so

.PHONY: cuda cuda-table test-gpu bench-gpu
cuda: $(PLUGIN) ## build the backend for NVIDIA GPUs (fetches nvcc when none is there)

$(BUILD)/cuda/nvcc.txt:
	@mkdir -p $(@D) && .ci/nvcc.sh $(BUILD)/cuda > $@
$(BUILD)/cuda/archs.txt: FORCE
	@mkdir -p $(@D) && echo $(CUDA_ARCHS) | cmp -s - $@ || echo $(CUDA_ARCHS) > $@
$(BUILD)/cuda/%.o: kernels/cuda/%.cu $(wildcard kernels/cuda/*.cuh) kernels/backend.h kernels/backend_impl.h \
    kernels/quant.h kernels/iq.h $(BUILD)/cuda/archs.txt | $(BUILD)/cuda/nvcc.txt
	@mkdir -p $(@D) && echo "  NVCC $< ($(CUDA_ARCHS))"
	$(Q)$$(cat $(BUILD)/cuda/nvcc.txt) $(NVFLAGS) -c $< -o $@ >$(@:.o=.log) 2>&1 || \
	    { cat $(@:.o=.log) >&2; exit 1; }
$(PLUGIN): $(CUDAOBJ) $(BROUGHT)
	@echo "  LINK $@"
	$(Q)$$(cat $(BUILD)/cuda/nvcc.txt) -shared -cudart static -Xlinker -Bsymbolic,-z,defs $^ -o $@
cuda-table: $(PLUGIN) ## registers, shared memory, spills and occupancy of its kernels
	@python3 tests/ptxas_table.py $(CUDAOBJ:.o=.log)

# These tests stand between the program and such functions.
ALLOCATORS = malloc calloc realloc aligned_alloc posix_memalign strdup strndup mmap munmap free
$(BUILD)/tests/test_alloc: LDFLAGS += $(addprefix -Wl$(comma)--wrap=,$(ALLOCATORS))
$(BUILD)/tests/test_view_alloc: LDFLAGS += $(addprefix -Wl$(comma)--wrap=,malloc calloc realloc)
$(BUILD)/tests/test_jinja_alloc: LDFLAGS += $(addprefix -Wl$(comma)--wrap=,malloc calloc realloc free)
$(BUILD)/tests/test_activations: LDFLAGS += -Wl,--wrap=tensor_read
$(BUILD)/tests/test_trace: LDFLAGS += $(addprefix -Wl$(comma)--wrap=,tensor_read routes_read)
# wrap_disk.c between it and the disk.
DISK     = pwrite fsync ftruncate openat linkat unlinkat flock mkdir
WRAPDISK = $(addprefix -Wl$(comma)--wrap=,$(DISK))
$(BUILD)/tests/test_faults: LDFLAGS += $(WRAPDISK)
$(BUILD)/tests/test_faults: $(BUILD)/tests/wrap_disk.o

# Files change together or not at all, whichever of these fails or is the last.
CALLS    = open write fsync link rename unlink
$(BUILD)/tests/test_pack $(BUILD)/tests/test_mask_save: LDFLAGS += $(addprefix -Wl$(comma)--wrap=,$(CALLS))
$(BUILD)/tests/test_pack $(BUILD)/tests/test_mask_save: $(BUILD)/tests/wrap_calls.o

# Faults planted into one source each, and the test that has to find it: MACRO:SOURCE:TEST. The object
# stands before the library, so that it takes the good one's place.
PLANTS   = SPLIT_BY_THREAD:kernels/cpu/attention:test_equality \
           PLANT_NO_FLUSH:transcripts/transcript:test_faults \
           PLANT_NO_FOLDER_FLUSH:transcripts/transcript:test_faults \
           PLANT_NO_TORN_COPY:transcripts/transcript_open:test_faults \
           PLANT_NO_BOUNDS:engine/formats/gguf_read:test_gguf
define PLANT_RULE
PLANTED += $(BUILD)/plants/$(1)/$(3)
$(BUILD)/plants/$(1)/planted.o: $(2).c
	@mkdir -p $$(@D) && echo "  CC   $$< ($(1))"
	$$(Q)$$(COMPILE) -D$(1) -c $$< -o $$@
$(BUILD)/plants/$(1)/$(3): $(BUILD)/tests/$(3).o $(BUILD)/plants/$(1)/planted.o $$(TESTLIB) $$(LIBRARY) \
        $(if $(filter test_faults,$(3)),$(BUILD)/tests/wrap_disk.o)
	@echo "  LINK $$@"
	$$(Q)$$(CC) $$(SANFLAGS) $$(if $$(filter test_faults,$(3)),$$(WRAPDISK)) $$^ $$(LIBS) -lcmocka -o $$@
endef
$(foreach p,$(PLANTS),$(eval $(call PLANT_RULE,$(word 1,$(subst :, ,$(p))),$(word 2,$(subst :, ,$(p))),$(word 3,$(subst :, ,$(p))))))

# ---- using it ---------------------------------------------------------------------------------

# With the base model at hand (tests fetch it too) nothing is downloaded again. In a terminal the
# conversation begins; without one, as in CI, a question is answered.
run: ## install what is missing, build, make the built-in model, start
	@.ci/install.sh build
	@$(MAKE) $(QUIET) $(PROGRAM)
	@$(PROGRAM) model build-default $(addprefix --from ,$(wildcard $(SMOLLM2)))
	@if [ -t 0 ] && [ -t 1 ]; then exec $(PROGRAM); fi; \
	exec $(PROGRAM) ask 'Should a town close its old library?' --max-tokens 48

SHARE    = $(DESTDIR)$(PREFIX)/share
# What a shell or man finds by the program's name, and what makes it.
PAGES    = man:man/man1/consilium.1 bash:bash-completion/completions/consilium \
           zsh:zsh/site-functions/_consilium fish:fish/vendor_completions.d/consilium.fish
install: $(PROGRAM) ## copy program, personas, manual page and completions to $(DESTDIR)$(PREFIX)
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/consilium
	install -d $(SHARE)/consilium/personas/sets $(SHARE)/consilium/personas/modes $(SHARE)/consilium/personas/prompts
	install -m 644 $(wildcard personas/shipped/*.*) $(SHARE)/consilium/personas
	install -m 644 $(wildcard personas/shipped/sets/*) $(SHARE)/consilium/personas/sets
	install -m 644 $(wildcard personas/shipped/modes/*) $(SHARE)/consilium/personas/modes
	install -m 644 $(wildcard personas/shipped/prompts/*) $(SHARE)/consilium/personas/prompts
	install -D -m 644 engine/routing/consilium_router.h $(DESTDIR)$(PREFIX)/include/consilium_router.h
	install -D -m 644 tests/routers/parts_of_speech.c $(SHARE)/consilium/routers/parts_of_speech.c
	@for page in $(PAGES); do \
	    echo "  MAKE $(SHARE)/$${page#*:}"; install -d "$$(dirname $(SHARE)/$${page#*:})" && \
	    $(PROGRAM) manual $${page%%:*} > $(SHARE)/$${page#*:} && chmod 644 $(SHARE)/$${page#*:} || exit 1; \
	done

uninstall: ## remove them again
	rm -rf $(DESTDIR)$(PREFIX)/bin/consilium $(SHARE)/consilium $(foreach p,$(PAGES),$(SHARE)/$(lastword $(subst :, ,$(p))))

# ---- proving it -------------------------------------------------------------------------------

test: check-layers $(VENV)/requirements.txt $(SMOLLM2) $(LOCALE) ## everything CI runs without torch: units, end to end, sanitized
	@rm -rf $(RESULTS)
	@# The suites are the CPU's: the plug-in is put aside, where test_cuda.py looks; make cuda links it again.
	@[ ! -e $(PLUGIN) ] || mv $(PLUGIN) $(BUILD)/cuda/
	@$(MAKE) $(QUIET) $(PROGRAM) $(UNITS) $(TOOLS)
	@$(RUN) $(UNITS) $(SUITES)
	@$(MAKE) $(QUIET) SANITIZE=1 BUILD=$(BUILD)-san test-sanitized
	@$(MAKE) $(QUIET) test-control
	@python3 tests/run.py --total $(RESULTS)

units: RESULTS = build/results-units
units: $(UNITS) ## the C unit tests alone
	@rm -rf $(RESULTS)
	@$(RUN) $(UNITS)
	@python3 tests/run.py --total $(RESULTS)

# Under ASan and UBSan; suites look at SANITIZED and keep themselves short.
test-sanitized: $(PROGRAM) $(UNITS) $(TOOLS)
	@SANITIZED=1 $(RUN) --label san- $(UNITS) $(SUITES)

# Negative controls: a program with one of these faults planted must fail its test.
test-control: $(PLANTED)
	@for plant in $(PLANTS); do \
	    name=$${plant%%:*}; \
	    $(RUN) --label control-$$name- --must-fail $(BUILD)/plants/$$name/$${plant##*:} || exit 1; \
	done

test-reference: PYTHON = $(PYTHON_REFERENCE)
test-reference: $(VENV)/requirements.txt $(SMOLLM2) $(REFERENCE) $(PROGRAM) $(TOOLS) ## remake the fixtures with torch, transformers and llama.cpp and compare
	@rm -f $(RESULTS)/reference_*.txt
	@$(RUN) $(wildcard tests/reference_*.py)
	@python3 tests/run.py --total $(RESULTS)

test-long: $(VENV)/requirements.txt $(SMOLLM2) $(PROGRAM) $(UNITS) $(TOOLS) ## fuzzers (100,000 inputs each), 10 million streams to the screen, files above 100 MB
	@rm -f $(RESULTS)/long_*.txt
	@$(MAKE) $(QUIET) CC=clang SANITIZE=1 FUZZ=1 BUILD=$(BUILD)-fuzz fuzzers
	@$(RUN) $(wildcard tests/long_*.py)
	@python3 tests/run.py --total $(RESULTS)

fuzzers: $(FUZZERS)

bench: $(PROGRAM) $(SMOLLM2) $(REFERENCE) ## decode speed against llama.cpp, interleaved, two models
	@$(PYTHON_REFERENCE) tests/bench.py

# LLAMA_BENCH, IK_BENCH: the llama-bench programs of llama.cpp and of ik_llama.cpp, where they are.
bench-peers: $(PROGRAM) $(SMOLLM2) $(VENV)/requirements.txt ## one table of speeds beside llama.cpp and ik_llama.cpp, interleaved (LLAMA_BENCH=, IK_BENCH=, MODEL=)
	@BUILD=$(BUILD) $(PYTHON) tests/bench_peers.py $(LLAMA_BENCH:%=--llama %) $(IK_BENCH:%=--ik %) $(MODEL)

counts: $(BUILD)/tests/tool_counts $(VENV)/requirements.txt ## count the instructions of the hot paths anew, for the table that make test compares with
	@BUILD=$(BUILD) $(PYTHON) tests/test_counts.py --write

bench-train: $(PROGRAM) $(BUILD)/tests/tool_train $(SMOLLM2) $(REFERENCE) ## speed and memory of training against torch, interleaved
	@$(PYTHON_REFERENCE) tests/bench_train.py

# Both say loudly that they did nothing where there is no GPU.
NO_GPU   = echo "== SKIPPED: no NVIDIA GPU here (no /dev/nvidiactl); the GPU's backend was NOT $(1)"
GPUTESTS = $(patsubst %,$(BUILD)/tests/%,test_cuda test_cuda_ops test_cuda_moe)
test-gpu: $(GPUTESTS) $(PROGRAM) ## the CPU's bytes, op by op and model by model, on the NVIDIA GPU that is here
	@if [ ! -e /dev/nvidiactl ]; then $(call NO_GPU,tested); exit 0; fi; \
	$(MAKE) $(QUIET) cuda CUDA_ARCHS=$${CUDA_ARCH:-native} && \
	for t in $(GPUTESTS); do CUDA_PLUGIN=./$(PLUGIN) BUILD=$(BUILD) $$t || exit 1; done
bench-gpu: $(PROGRAM) ## decode speed on the GPU that is here; LLAMA_BENCH=path MODEL=file compare with llama.cpp's
	@if [ ! -e /dev/nvidiactl ]; then $(call NO_GPU,measured); exit 0; fi; \
	$(MAKE) $(QUIET) cuda CUDA_ARCHS=$${CUDA_ARCH:-native} && \
	BUILD=$(BUILD) python3 tests/bench_gpu.py $(addprefix --llama-bench ,$(LLAMA_BENCH)) $(MODEL)

personas-report: $(SMOLLM2) $(REFERENCE) $(PROGRAM) $(BUILD)/tests/tool_code ## what the built-in personas do, by mask and by prompt, in figures (15 min)
	@$(PYTHON_REFERENCE) tests/probe_personas.py
	@BUILD=$(BUILD) $(PYTHON_REFERENCE) tests/probe_code.py

width-report: $(SMOLLM2) $(VENV)/requirements.txt $(PROGRAM) ## nats a token when more or fewer experts are called (3 min)
	@$(PYTHON) tests/probe_width.py

VOICES   = $(BUILD)/voices
voices: $(PROGRAM) $(SMOLLM2) ## train the built-in's experts anew from the lessons (20 min; RESUME=1 goes on)
	@mkdir -p $(VOICES)
	@XDG_CACHE_HOME=$(abspath $(VOICES)) XDG_STATE_HOME=$(abspath $(VOICES)) XDG_CONFIG_HOME=$(abspath $(VOICES)) \
	    $(PROGRAM) model build-voices --from $(SMOLLM2) --keep-near personas/shipped/neutral.txt \
	    -o $(VOICES) $(if $(RESUME),--resume)
	@rm -f personas/shipped/*.mask.json
	@cp $(VOICES)/built-in.experts.gguf $(VOICES)/*.mask.json personas/shipped/

# The vote's verifier for the built-in as it is now; kept only where it is better than chance.
SETS     = personas/shipped/sets/keyed.jsonl
verifier: $(PROGRAM) $(SMOLLM2) ## learn the built-in's verifier anew from questions with keys (SETS=FILES; 1 s of processor time a question)
	@mkdir -p $(VOICES)
	@XDG_CACHE_HOME=$(abspath $(VOICES)) XDG_STATE_HOME=$(abspath $(VOICES)) XDG_CONFIG_HOME=$(abspath $(VOICES)) \
	    sh -ec '$(PROGRAM) model build-default --from $(SMOLLM2); $(PROGRAM) train --what verifier $(SETS:%=--set %)'
	@rm -f personas/shipped/council.*.verifier.json
	@find $(VOICES)/consilium/personas -name 'council.*.verifier.json' -exec cp {} personas/shipped/ ';'

# What each way of joining is worth on the built-in as it is now: auto goes by it, and merges state it.
TRIED    = facts sums yesno
WAYS     = control,philosopher,coder,critic,vote
evidence: $(PROGRAM) $(SMOLLM2) ## ask the built-in the shipped sets anew and keep what its merges are worth (TRIED=SETS, WAYS=ARMS)
	@mkdir -p $(VOICES)
	@rm -f personas/shipped/council.*.evidence.json $(VOICES)/consilium/personas/council.*.evidence.json
	@XDG_CACHE_HOME=$(abspath $(VOICES)) XDG_STATE_HOME=$(abspath $(VOICES)) XDG_CONFIG_HOME=$(abspath $(VOICES)) \
	    sh -ec '$(PROGRAM) model build-default --from $(SMOLLM2); for set in $(TRIED); do $(PROGRAM) eval $$set --arms $(WAYS) --learn; done'
	@cp $(VOICES)/consilium/personas/council.*.evidence.json personas/shipped/

# ---- what tests need --------------------------------------------------------------------------

install-packages: ## the Debian packages that building and testing need
	@.ci/install.sh
$(VENV)/requirements.txt: tests/requirements.txt | install-packages
	@.ci/venv.sh $(@D) $<
build/venv-reference/requirements.txt: tests/requirements-reference.txt | install-packages
	@.ci/venv.sh $(@D) $<
$(SMOLLM2): | install-packages
	@.ci/fetch.sh python3 $(@D)

# Where a comma divides decimals: one test reads numbers there.
$(LOCALE): | install-packages
	@mkdir -p $(@D) && localedef -i de_DE -f UTF-8 $@

# ---- keeping the house ------------------------------------------------------------------------

HOUSE    = $(foreach d,$(FOLDERS) tests,$(wildcard $(d)/*.c $(d)/*.h))

format: ## lay out every C file with clang-format
	clang-format -i $(HOUSE)

lint: check-layers check-dead ## layers, dead functions, clang-format check and clang-tidy, tests too
	clang-format --dry-run -Werror $(HOUSE)
	@printf '%s\n' $(filter %.c,$(HOUSE)) | xargs -P $(shell nproc) -n 1 sh -c \
	    'clang-tidy --quiet "$$0" -- -std=c11 -D_GNU_SOURCE $(AVX512) -include tests/analyser.h 2>/dev/null'

# repl -> personas -> transcripts -> engine -> kernels, and likewise between the rooms inside them.
check-layers: ## refuse an include that points upward, and modules that include each other
	@python3 tests/check_layers.py

check-dead: $(PROGRAM) $(UNITS) $(TOOLS) ## refuse functions that no other file calls
	@python3 tests/check_dead.py $(BUILD)

clean: ## remove everything that was built or fetched
	rm -rf $(BUILD) $(BUILD)-san $(BUILD)-fuzz

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' Makefile

.PHONY: all run install uninstall test units test-sanitized test-control test-reference test-long \
        fuzzers bench bench-peers counts voices verifier evidence bench-train personas-report width-report install-packages format lint check-layers check-dead clean help FORCE
.SECONDARY:
.DELETE_ON_ERROR:
-include $(DEPENDS)
