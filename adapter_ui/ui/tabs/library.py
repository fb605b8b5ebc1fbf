import gradio as gr
def library_tab(service, page):
    gr.Markdown("later")
