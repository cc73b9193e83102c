"""The LLM-Augmenter: new annotated notes, made by rewriting segments of the training notes.

A segment's mentions are written into its text as markers, a model rewrites it, the answer is
decoded, filtered, and put back into its note (Wei, Li, Pillai: Structured LLM Augmentation for
Clinical Information Extraction).
"""
