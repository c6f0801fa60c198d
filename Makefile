# Consilium. `make help` lists the targets. Objects and binaries go to $(BUILD).
BUILD   ?= build
CC      ?= gcc
PREFIX  ?= /usr/local

WARN     = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
# Bytes must not depend on the compiler's taste: no contraction, no -ffast-math, baseline x86-64.
CFLAGS  ?= -O3 -g
BASE     = -std=c11 -D_GNU_SOURCE $(WARN) -ffp-contract=off -fno-math-errno -fPIC -pthread -MMD -MP
LIBS     = -lcjson -lpcre2-8 -lutf8proc -lcrypto -lm -pthread
ifdef SANITIZE
SANFLAGS = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
AVX2     = -mavx2 -mfma -mf16c

FOLDERS  = kernels kernels/cpu engine personas transcripts repl
SOURCES  = $(filter-out repl/main.c,$(foreach d,$(FOLDERS),$(wildcard $(d)/*.c)))
OBJECTS  = $(SOURCES:%.c=$(BUILD)/%.o)
LIBRARY  = $(BUILD)/libconsilium.a
UNITS    = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c))
# What several test programs share: tests/*.c that is no test, no fuzzer, no program of its own.
TESTLIB  = $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/test_%.c tests/fuzz_%.c tests/tool_%.c,$(wildcard tests/*.c)))

all: $(BUILD)/consilium

$(BUILD)/%_avx2.o: %_avx2.c
	@mkdir -p $(@D)
	$(CC) $(BASE) $(CFLAGS) $(SANFLAGS) $(AVX2) -c $< -o $@
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(BASE) $(CFLAGS) $(SANFLAGS) -c $< -o $@
$(LIBRARY): $(OBJECTS)
	@rm -f $@
	ar rcs $@ $^
$(BUILD)/consilium: $(BUILD)/repl/main.o $(LIBRARY)
	$(CC) $(SANFLAGS) $^ $(LIBS) -o $@
$(BUILD)/tests/%: $(BUILD)/tests/%.o $(TESTLIB) $(LIBRARY)
	$(CC) $(SANFLAGS) $^ $(LIBS) -lcmocka -o $@

units: $(UNITS)
	@for t in $(UNITS); do echo "== $$t"; $$t || exit 1; done

format:
	clang-format -i $(foreach d,$(FOLDERS) tests,$(wildcard $(d)/*.c $(d)/*.h))

clean:
	rm -rf $(BUILD)

.PHONY: all units format clean
.SECONDARY:
-include $(OBJECTS:.o=.d) $(patsubst %,%.d,$(UNITS)) $(BUILD)/repl/main.d
