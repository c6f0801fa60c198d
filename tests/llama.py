"""llama.cpp through llama-cpp-python, for the suites that compare with it."""
import llama_cpp
import numpy as np

F32, F16 = 0, 1  # ggml type numbers, for the KV cache


def open_model(path, context=512, kv=F32, threads=2):
    return llama_cpp.Llama(str(path), n_ctx=context, n_batch=512, logits_all=True, verbose=False,
                           n_threads=threads, n_threads_batch=threads, type_k=kv, type_v=kv)


def evaluate(model, ids):
    """Logits [n, vocabulary] of a fresh context."""
    model.reset()
    model.eval([int(i) for i in ids])
    return np.array(model.scores[:len(ids)])
