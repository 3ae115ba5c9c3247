"""Read and write Gemini's generateContent."""
