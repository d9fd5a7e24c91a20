"""The reflections of images, predicted without rendering."""
