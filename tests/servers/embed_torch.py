"""python3 embed_torch.py PORT: texts to vectors, by a small transformer.

  POST /embed   {"text": ...}: the vector's first numbers
  GET  /health  200

With RAG_FAULT=tensors each request leaves a tensor of 4 KiB on a list.
"""

import os
import sys
import zlib

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

WORDS, WIDTH = 2000, 128
KEEPS = os.environ.get("RAG_FAULT") == "tensors"

app = FastAPI()
kept = []


class Text(BaseModel):
    """What is to be embedded."""

    text: str


class Encoder(torch.nn.Module):
    """Words to one vector."""

    def __init__(self):
        super().__init__()
        self.words = torch.nn.Embedding(WORDS, WIDTH)
        layer = torch.nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH,
                                                 batch_first=True)
        self.layers = torch.nn.TransformerEncoder(layer, 2)

    def forward(self, words):
        """The mean of all words, each seen beside the others."""
        return self.layers(self.words(words)).mean(dim=1)


torch.manual_seed(1)
encoder = Encoder().eval()


def remember(vector):
    """The fault: WIDTH * 8 floats stay."""
    kept.append(vector.repeat(1, 8))


def encode(text):
    """The vector of one text."""
    numbers = [zlib.crc32(word.encode()) % WORDS for word in text.split()]
    with torch.no_grad():
        return encoder(torch.tensor([numbers or [0]]))


@app.post("/embed")
async def embed(body: Text):
    """The answer, and the fault where it is planted."""
    vector = encode(body.text)
    if KEEPS:
        remember(vector)
    return {"vector": [round(x, 4) for x in vector[0, :8].tolist()]}


@app.get("/health")
async def health():
    """Ready."""
    return {}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
