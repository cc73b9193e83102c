"""The LLM-Augmenter: new annotated notes, made by rewriting segments of the training notes.

The mentions of a segment are marked inline, a model rewrites it, and the answer is decoded,
filtered and put back into its note (Wei, Li, Pillai: Structured LLM Augmentation for Clinical
Information Extraction).
"""
