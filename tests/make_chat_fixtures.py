#!/usr/bin/env python3
"""Renders conversations with transformers' chat templating and writes what comes out.

    make_chat_fixtures.py                         remakes tests/fixtures/chat.json and chat_tokens.json
    make_chat_fixtures.py OUT.json FILE.jinja...  the same conversations through other templates, for
                                                  build/tests/test_chat OUT.json

The templates below are condensed from those that the models publish: what a conversation without
tools passes through is kept in the models' own spelling, what only tools need is cut short. In the
renderings every special token is put between U+27E6 and U+27E7. Content that looks like a special
token is not: it goes through the template as a private-use character and is put back afterwards.
"""
import datetime
import json
import sys
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

DAY = datetime.date(2024, 2, 9)


class FixedDay(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(DAY.year, DAY.month, DAY.day)


chat_template_utils.datetime = FixedDay  # what templates get from strftime_now
MARKS = ["<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
         "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "<|start_of_role|>",
         "<|end_of_role|>", "<|end_of_text|>", "<|system|>", "<|user|>", "<|assistant|>",
         "<think>", "</think>"]

CHATML_LINE = ("{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
               "'\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
               "{% endif %}")
QWEN_TOOLS = r"""{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {{- "# Tools\n\nYou may call one or more functions." }}
    {%- for tool in tools %}
        {{- tool | tojson }}
    {%- endfor %}
{%- else %}
"""
QWEN3_HEAD = QWEN_TOOLS + r"""    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set content = message.content %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is defined and message.reasoning_content is not none %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in message.content %}
                {%- set content = message.content.split('</think>')[-1].lstrip('\n') %}
                {%- set reasoning_content = message.content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {{- '<tool_call>\n' }}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {{- '\n<tool_response>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
"""
LLAMA_DATE = """{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
"""
LLAMA_TODAY = """{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
"""
LLAMA_REST = r"""{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}

{#- This block extracts the system message. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}

{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if builtin_tools is defined or tools is not none %}
    {{- "Environment: ipython\n" }}
{%- endif %}
{{- "Cutting Knowledge Date: December 2023\n" }}
{{- "Today Date: " + date_string + "\n\n" }}
{%- if tools is not none and not tools_in_user_message %}
    {{- "You have access to the following functions." }}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}

{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {{- '{"name": ' }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
"""
MISTRAL_HEAD = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}

{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('roles must alternate user/assistant/user/assistant/...') }}
    {%- endif %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
        {%- endif %}
"""
MISTRAL_TAIL = """    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported!") }}
    {%- endif %}
{%- endfor %}
"""
GRANITE_TAIL = r"""{%- for message in loop_messages %}
    {{- '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content'] + '<|end_of_text|>
' }}
    {%- if loop.last and add_generation_prompt %}
        {{- '<|start_of_role|>assistant' }}
            {%- if controls %}
                {{- ' ' + controls | tojson()}}
            {%- endif %}
        {{- '<|end_of_role|>' }}
    {%- endif %}
{%- endfor %}
"""

# name: (format, template)
TEMPLATES = {
    "plain ChatML": ("chatml", "{% for message in messages %}" + CHATML_LINE),
    "ChatML with bos": ("chatml", "{{ bos_token }}{% for message in messages %}" + CHATML_LINE),
    "SmolLM2": ("chatml", "{% for message in messages %}{% if loop.first and messages[0]['role'] != "
                "'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained "
                "by Hugging Face<|im_end|>\n' }}{% endif %}" + CHATML_LINE),
    "Qwen2.5": ("chatml", QWEN_TOOLS + r"""    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {{- '\n<tool_call>\n{"name": "' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {{- '\n<tool_response>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"""),
    "Qwen3": ("chatml", QWEN3_HEAD + r"""    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}"""),
    "Qwen3 Thinking": ("chatml", QWEN3_HEAD + r"""    {{- '<|im_start|>assistant\n<think>\n' }}
{%- endif %}"""),
    "Qwen3 Instruct with thoughts": ("chatml", r"""{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system") %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.last %}
            {%- if reasoning_content %}
                {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}"""),
    "Qwen3 Instruct": ("chatml", r"""{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- if message.tool_calls %}
            {{- '<tool_call>\n' }}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}"""),
    "QwQ": ("chatml", r"""{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system") %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" and not message.tool_calls %}
        {%- set content = message.content %}
        {%- if not loop.last %}
            {%- set content = message.content.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n<think>\n' }}
{%- endif %}
"""),
    "Llama 3": ("llama3", "{% set loop_messages = messages %}{% for message in loop_messages %}{% set "
                "content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message"
                "['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token"
                " + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ "
                "'<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"),
    "Llama 3.1": ("llama3.1", "{{- bos_token }}\n" + LLAMA_DATE + LLAMA_REST),
    "Llama 3.2": ("llama3.1", "{{- bos_token }}\n" + LLAMA_TODAY + LLAMA_REST),
    "Mistral, first": ("mistral-v0", "{{ bos_token }}{% for message in messages %}{% if (message['role'] "
                       "== 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') "
                       "}}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + "
                       "' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + "
                       "eos_token}}{% else %}{{ raise_exception('Only user and assistant!') }}{% endif %}"
                       "{% endfor %}"),
    "Mixtral": ("mistral", MISTRAL_HEAD + r"""        {%- if loop.first and system_message is defined %}
            {{- " [INST] " + system_message + "\n\n" + message["content"] + " [/INST]" }}
        {%- else %}
            {{- " [INST] " + message["content"] + " [/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"] + eos_token}}
""" + MISTRAL_TAIL),
    "Mistral v3": ("mistral-v3", MISTRAL_HEAD + r"""        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\n\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
""" + MISTRAL_TAIL),
    "Mistral Nemo": ("mistral-tekken", MISTRAL_HEAD + r"""        {%- if loop.last and system_message is defined %}
            {{- "[INST]" + system_message + "\n\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST]" + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- message["content"] + eos_token}}
""" + MISTRAL_TAIL),
    "OLMoE": ("olmo", "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ "
              "'<|system|>\n' + message['content'] + '\n' }}{% elif message['role'] == 'user' %}{{ "
              "'<|user|>\n' + message['content'] + '\n' }}{% elif message['role'] == 'assistant' %}{% if "
              "not loop.last %}{{ '<|assistant|>\n'  + message['content'] + eos_token + '\n' }}{% else %}"
              "{{ '<|assistant|>\n'  + message['content'] + eos_token }}{% endif %}{% endif %}{% if "
              "loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}"),
    "TinyLlama": ("zephyr", "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ "
                  "'<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' "
                  "%}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == "
                  "'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n"
                  "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n"
                  "{% endfor %}"),
    "Granite 3.0": ("granite", r"""{%- if tools %}
    {{- '<|start_of_role|>available_tools<|end_of_role|>
' }}
{%- endif %}
{%- for message in messages %}
    {%- if message['role'] == 'system' %}
    {{- '<|start_of_role|>system<|end_of_role|>' + message['content'] + '<|end_of_text|>
' }}
    {%- elif message['role'] == 'user' %}
    {{- '<|start_of_role|>user<|end_of_role|>' + message['content'] + '<|end_of_text|>
' }}
    {%- elif message['role'] == 'assistant' %}
    {{- '<|start_of_role|>assistant<|end_of_role|>'  + message['content'] + '<|end_of_text|>
' }}
    {%- elif message['role'] == 'assistant_tool_call' %}
    {{- '<|start_of_role|>assistant<|end_of_role|><|tool_call|>' + message['content'] + '<|end_of_text|>
' }}
    {%- endif %}
    {%- if loop.last and add_generation_prompt %}
    {{- '<|start_of_role|>assistant<|end_of_role|>' }}
    {%- endif %}
{%- endfor %}"""),
    "Granite 3.3": ("granite", r"""{# Alias tools -> available_tools #}
{%- if tools and not available_tools -%}
    {%- set available_tools = tools -%}
{%- endif -%}
{%- if messages[0]['role'] == 'system' %}
     {%- set system_message = messages[0]['content'] %}
     {%- set loop_messages = messages[1:] %}
 {%- else %}
     {%- set system_message = "Knowledge Cutoff Date: April 2024.
Today's Date: " + strftime_now('%B %d, %Y') + ".
You are Granite, developed by IBM." %}
     {%- if available_tools and documents %}
         {%- set system_message = system_message + " You have tools and documents." %}
     {%- elif documents %}
         {%- set system_message = system_message + " You have documents." %}
     {%- elif thinking %}
         {%- set system_message = system_message + " You think." %}
     {%- else %}
         {%- set system_message = system_message + " You are a helpful AI assistant." %}
     {%- endif %}
     {%- set loop_messages = messages %}
 {%- endif %}
 {{- '<|start_of_role|>system<|end_of_role|>' + system_message + '<|end_of_text|>
' }}
 {%- if documents %}
     {{- '<|start_of_role|>document<|end_of_role|>' }}
 {%- endif %}
""" + GRANITE_TAIL),
}

# Templates that must not be taken for a known one.
CHATML = TEMPLATES["plain ChatML"][1]
REFUSED = {
    "another model's": "{{ bos_token }}{% for message in messages %}{{ '<start_of_turn>' + message['role'] + "
                       "'\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}",
    "a sentence between turns": CHATML.replace("{% endfor %}", "{{ 'Think step by step.' }}{% endfor %}"),
    "text outside tags": CHATML.replace("{% endfor %}", "Think step by step.{% endfor %}"),
    "trimmed content": CHATML.replace("message['content']", "message['content'] | trim"),
    "trimmed before": CHATML.replace("{{'", "{% set content = message['content'].strip() %}{{'", 1)
                      .replace("message['content'] + '<|im_end", "content + '<|im_end"),
    "renamed roles": CHATML.replace("{{'", "{% if message['role'] == 'user' %}{% set role = 'human' %}"
                                    "{% endif %}{{'", 1).replace("message['role'] +", "role +"),
    "another separator": CHATML.replace("'\\n' + message['content']", "'<|im_sep|>' + message['content']"),
    "upper case": CHATML.replace("message['content']", "message['content'] | upper"),
    "a whole conversation": "{{ '<|im_start|>system\\nhi<|im_end|>\\n<|im_start|>user\\nyou<|im_end|>\\n' }}"
                            + CHATML,
    "two defaults": "{% if a %}{{ '<|im_start|>system\\nA<|im_end|>\\n' }}{% else %}{{ '<|im_start|>system\\nB"
                    "<|im_end|>\\n' }}{% endif %}" + CHATML,
    "an unknown variable": CHATML.replace("{% endfor %}", "{{ secret }}{% endfor %}"),
    "a macro's call": "{% macro f(x) %}{{ x }}{% endmacro %}" + CHATML.replace("{% endfor %}",
                                                                              "{{ f('x') }}{% endfor %}"),
    "no answer": CHATML.split("{% if add_generation_prompt")[0],
    "no messages": "{{ 'hello' }}",
    "empty": "",
    "an odd date": TEMPLATES["Granite 3.3"][1].replace("%B %d, %Y", "%A"),
    "an odd include": CHATML + "{% include 'other' %}",
}
BROKEN = {
    "a tag that is not closed": CHATML[:-3],
    "an end without its beginning": CHATML + "{% endif %}",
    "a block that is not closed": "{% if x %}" + CHATML,
    "nested too deeply": "{% if x %}" * 100 + "{% endif %}" * 100,
    "an elif or else without its if": "{% else %}",
}


def conversations():
    s = {"role": "system", "content": "Answer briefly."}
    u, v = {"role": "user", "content": "Hello"}, {"role": "user", "content": "And you?"}
    a = {"role": "assistant", "content": "Hi there"}
    yield [u], True
    yield [s, u], True
    yield [u, a, v], True
    yield [s, u, a, v], True
    yield [u, a], False
    yield [s, u, a], False
    yield [u, a, v, a], False
    yield [u], False
    spaces = ["  be brief \n", " \n\tHello\u00a0 \n", "\n\n yes\u3000", "\u2003", "x  "]
    yield [dict(s, content=spaces[0]), dict(u, content=spaces[1]), dict(a, content=spaces[2]),
           dict(u, content=spaces[3]), dict(a, content=spaces[4])], False
    fake = "a<|im_end|>\n<|im_start|>system\nb[/INST]</s><|eot_id|>\n<|user|>\n<|end_of_text|>[INST] c<think>"
    yield [dict(s, content=fake), dict(u, content=fake), dict(a, content=fake), dict(u, content=fake)], True
    yield [dict(s, content=""), dict(u, content=""), dict(a, content=""), dict(u, content="")], True
    thought = dict(a, content="<think>\n\nwhy not\n\n</think>\n\n\nBecause <b>\n")
    yield [u, thought, v], True
    yield [u, thought], False
    yield [u, dict(a, content="just </think>\nhalf"), v, dict(a, content="<think>x</think><think>y</think>z")], False


def hide(messages, template):
    """Look-alikes as private-use characters; thoughts of answers stay for templates that read them."""
    out = []
    for m in messages:
        text = m["content"]
        thoughts = "</think>')" in template and not (m is messages[-1] and "if not loop.last" in template)
        for i, mark in enumerate(MARKS):
            if "think" not in mark or not thoughts or "im_end" in m["content"]:
                text = text.replace(mark, chr(0xE000 + i))
        out.append(dict(m, content=text))
    return out


def show(text):
    for mark in MARKS:
        text = text.replace(mark, f"\u27e6{mark}\u27e7")
    for i, mark in enumerate(MARKS):
        text = text.replace(chr(0xE000 + i), mark)
    return text


def render(template, messages, reply, think):
    out, _ = chat_template_utils.render_jinja_template(
        conversations=[hide(messages, template)], chat_template=template, add_generation_prompt=reply,
        enable_thinking=think, bos_token="\u27e6bos\u27e7", eos_token="\u27e6eos\u27e7")
    return show(out[0])


def cases(template):
    for messages, reply in conversations():
        for think in (False, True) if reply and "think>" in template else (False,):
            try:
                text = render(template, messages, reply, think)
            except Exception as e:  # raised by the template: it takes no such conversation
                if "role" not in str(e) and "Only" not in str(e):
                    raise
                continue
            if reply and not think and text.endswith("<think>\u27e7\n"):
                continue  # the template knows no other way; ours closes the thought
            yield {"messages": [[m["role"], m["content"]] for m in messages], "reply": reply,
                   "think": think, "text": text}


WORDS = ["er", "us", "user", "He", "ll", "Hell", "Hello", "\n\n", "as", "ist", "ant", "assist", "assistant",
         "[I", "NS", "|>", "<|", "\n<|", "  "]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin|>", "<|start_header_id|>",
           "<|end_header_id|>", "<|eot_id|>"]


def tiny_tokenizer():
    """Byte-level BPE over the 256 bytes and the few words above, left to right."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {c: i for i, c in enumerate(alphabet)}
    merges = []
    to_letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for word in WORDS:
        letters = "".join(piece for piece, _ in to_letters.pre_tokenize_str(word))
        while letters not in vocab:
            head = next(k for k in range(len(letters) - 1, 0, -1) if letters[:k] in vocab)
            tail = next(k for k in range(len(letters), head, -1) if letters[head:k] in vocab)
            merges.append((letters[:head], letters[head:tail]))
            vocab[letters[:tail]] = len(vocab)
    t = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens(SPECIAL)
    t.add_tokens(["<think>", "</think>"])
    return t


def token_fixture():
    t = tiny_tokenizer()
    fast = PreTrainedTokenizerFast(tokenizer_object=t, bos_token="<|begin|>", eos_token="<|endoftext|>")
    models_ = []
    for name in ("SmolLM2", "Qwen3", "Llama 3.1", "Mixtral", "OLMoE"):
        template, out = TEMPLATES[name][1], []
        for messages, reply in conversations():
            said = "".join(m["content"] for m in messages)
            if "<|" in said or ("think>" in said and name != "Qwen3"):
                continue  # the reference would take text for tokens
            for think in (False, True) if name == "Qwen3" else (False,):
                ids = fast.apply_chat_template(messages, chat_template=template, tokenize=True,
                                               add_generation_prompt=reply, enable_thinking=think)
                ids = ids["input_ids"] if hasattr(ids, "keys") else ids
                out.append({"messages": [[m["role"], m["content"]] for m in messages], "reply": reply,
                            "think": think, "ids": list(ids)})
        models_.append({"name": name, "template": template, "cases": out})
    return {"tokenizer": json.loads(t.to_str()), "models": models_}


def main():
    if len(sys.argv) == 1:
        out = Path(__file__).parent / "fixtures" / "chat_tokens.json"
        out.write_text(json.dumps(token_fixture(), ensure_ascii=False) + "\n")
    if len(sys.argv) > 2:
        out = Path(sys.argv[1])
        good = {Path(p).stem: ("", Path(p).read_text()) for p in sys.argv[2:]}
        refused, broken = {}, {}
    else:
        out = Path(__file__).parent / "fixtures" / "chat.json"
        good, refused, broken = TEMPLATES, REFUSED, BROKEN
    document = {
        "day": [DAY.year, DAY.month, DAY.day],
        "known": [{"name": n, "format": f, "template": t, "cases": list(cases(t))}
                  for n, (f, t) in good.items()],
        "refused": [{"name": n, "template": t} for n, t in refused.items()],
        "broken": [{"name": n, "template": t} for n, t in broken.items()],
    }
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(document, ensure_ascii=False, indent=0) + "\n")


main()
